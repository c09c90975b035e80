/* Review in the browser: answers by keys, the next frame at once, and no answer lost with the connection. */
'use strict'
const SOON = 300, RENEW = 20000, IDLE = 300000

addEventListener('DOMContentLoaded', () => {
  const root = document.getElementById('review')
  if (root) new Review(root).begin()
})

/* Answers that the station has not taken yet. They stay in this browser, one entry for each frame of a person. */
class Unsent {
  constructor(person) {
    this.prefix = `saec.review.${person}.`
    this.list = []
    try {
      for (const name of Object.keys(localStorage).filter(one => one.startsWith(this.prefix))) this.list.push(JSON.parse(localStorage.getItem(name)))
    } catch { /* private window: they last as long as the page */ }
    this.list.sort((one, other) => one.time - other.time)
  }

  has(seq) { return this.list.some(one => one.seq === seq) }

  add(entry) {
    this.list.push(entry)
    try { localStorage.setItem(this.prefix + entry.seq, JSON.stringify(entry)) } catch { /* as above */ }
  }

  remove(entry) {
    this.list = this.list.filter(one => one !== entry)
    try { localStorage.removeItem(this.prefix + entry.seq) } catch { /* as above */ }
  }
}

class Review {
  constructor(root) {
    this.root = root
    this.unsent = new Unsent(root.dataset.person)
    this.pictures = new Map()
    this.answered = new Map()
    this.sending = null
    this.failures = this.presses = 0
    this.active = Date.now()
    this.channel = 'BroadcastChannel' in window ? new BroadcastChannel(`saec.review.${root.dataset.person}`) : null
  }

  begin() {
    for (const name of ['tool', 'map', 'keys', 'brush']) this.set(name, kept.get(`review.${name}`) || this.root.dataset[name])
    this.root.classList.add('is-live')
    this.beginHead()
    this.tasks().forEach(task => this.take(task))
    this.tasks().filter(task => this.unsent.has(task.dataset.seq)).forEach(task => task.remove())
    this.root.addEventListener('submit', event => this.submit(event))
    this.root.addEventListener('click', event => this.click(event))
    this.root.addEventListener('input', event => { if (event.target.matches('[data-brush-size]')) this.set('brush', event.target.value) })
    this.root.addEventListener('marked', event => this.say(this.root.dataset.marked.replace('{n}', event.detail), true))
    document.addEventListener('keydown', event => this.key(event))
    for (const name of ['keydown', 'pointerdown', 'pointermove']) document.addEventListener(name, () => { this.active = Date.now() }, { passive: true })
    if (this.channel) this.channel.onmessage = event => { this.dismiss(String(event.data)); this.refill() }
    addEventListener('online', () => this.send())
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.refill() })
    setInterval(() => { if (!document.hidden && Date.now() - this.active < IDLE) this.refill() }, RENEW)
    this.show()
    this.send()
  }

  beginHead() {
    const line = document.getElementById('review-line'), keys = document.getElementById('review-keys')
    document.getElementById('review-show').hidden = true
    line.addEventListener('change', () => line.form.submit())
    keys.hidden = false
    keys.addEventListener('click', () => this.turn('keys'))
  }

  tasks() { return [...this.root.querySelectorAll('.review-task')] }
  now() { return this.tasks()[0] }

  /* Makes a task that came from the station one that can be marked. */
  take(task) {
    this.pictures.set(task.dataset.seq, new MarkedPicture(task))
    const map = task.querySelector('.review-map')
    if (map) map.addEventListener('error', () => { task.querySelector('[data-do="map"]').disabled = true })
  }

  /* Shows the first task, and what stands in its place where there is none. */
  show() {
    this.tasks().forEach((task, n) => { task.hidden = n > 0 })
    const now = this.now(), empty = this.root.querySelector('.review-empty')
    const waits = !now && (this.unsent.list.length > 0 || this.sending !== null)
    this.root.querySelector('.review-next').hidden = !waits
    if (empty) empty.hidden = Boolean(now) || waits
    if (!now || now === this.shown) return
    this.shown = now
    this.since = performance.now()
    this.pictures.get(now.dataset.seq).lay()
    this.settle()
  }

  /* What is chosen for all pictures: tool, brush, map, keys. */
  set(name, value) {
    this.root.dataset[name] = value
    kept.set(`review.${name}`, value)
    this.settle()
  }

  turn(name) { this.set(name, this.root.dataset[name] === 'on' ? 'off' : 'on') }

  settle() {
    for (const button of this.root.querySelectorAll('[data-tool]')) button.setAttribute('aria-pressed', String(button.dataset.tool === this.root.dataset.tool))
    for (const button of this.root.querySelectorAll('[data-do="map"]')) button.setAttribute('aria-pressed', String(this.root.dataset.map === 'on'))
    document.getElementById('review-keys').setAttribute('aria-pressed', String(this.root.dataset.keys === 'on'))
    for (const range of this.root.querySelectorAll('[data-brush-size]')) range.value = this.root.dataset.brush
  }

  say(text, quietly = false) {
    const line = document.getElementById(quietly ? 'review-marks' : 'review-said')
    line.textContent = text
  }

  submit(event) {
    const form = event.target, button = event.submitter
    if (form.matches('.review-undo')) {
      event.preventDefault()
      this.undo(new FormData(form).get('n'))
    } else if (form.matches('.review-answer')) {
      event.preventDefault()
      const told = new FormData(form, button)
      this.answer(told.get('answer') || 'defect', (told.get('kind') || '').trim())
    }
  }

  click(event) {
    const button = event.target.closest('button')
    if (!button || button.disabled) return
    if (button.dataset.tool) this.set('tool', button.dataset.tool)
    if (button.dataset.do) this.act(button.dataset.do)
  }

  act(what) {
    const task = this.now(), picture = task && this.pictures.get(task.dataset.seq)
    if (what === 'send') this.send()
    if (!task) return
    if (what === 'map' && !task.querySelector('[data-do="map"]')?.disabled) this.turn('map')
    if (what === 'in') picture.zoomBy(1.5)
    if (what === 'out') picture.zoomBy(1 / 1.5)
    if (what === 'fit') picture.fit()
    if (what === 'back') picture.takeBack()
    if (what === 'clear') picture.clear()
  }

  /* Each key stands at its button as data-key; a digit is one of the kinds of the frame's line. */
  key(event) {
    if (this.root.dataset.keys !== 'on' || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if (event.target.closest('input:not([type="checkbox"], [type="range"]), select, textarea')) {
      if (event.key === 'Escape') event.target.blur()
      return
    }
    const pressed = event.key.toLowerCase(), scope = this.now()
    if (pressed === 'u') { event.preventDefault(); if (!event.repeat) this.undo() ; return }
    const button = scope && scope.querySelector(`[data-key="${CSS.escape(pressed)}"]`)
    if (!button) return
    event.preventDefault()
    if (!event.repeat || button.dataset.do === 'in' || button.dataset.do === 'out') button.click()
  }

  answer(label, kind) {
    const task = this.now()
    if (!task || performance.now() - this.since < SOON) return // a second press was meant for the frame before
    const seq = task.dataset.seq, seconds = (performance.now() - this.since) / 1000
    const place = label === 'defect' ? this.pictures.get(seq).place() : ''
    const second = task.querySelector('[name="second"]').checked ? 'yes' : ''
    const fields = { seq, answer: label, kind: label === 'defect' ? kind : '', place, second, seconds: seconds.toFixed(2), line: this.root.dataset.line, script: 'yes' }
    this.presses += 1
    const focused = task.contains(document.activeElement) ? document.activeElement : null
    this.unsent.add({ seq, time: Date.now(), name: task.dataset.name, said: this.root.dataset[label], fields })
    this.answered.set(seq, task)
    if (this.answered.size > 20) this.answered.delete(this.answered.keys().next().value)
    task.remove()
    this.say(this.root.dataset.saved.replace('{answer}', [this.root.dataset[label], fields.kind].filter(Boolean).join(', ')).replace('{name}', task.dataset.name))
    this.show()
    this.refocus(focused)
    this.send()
  }

  /* The focus stays at the same thing of the next frame. */
  refocus(was) {
    const now = this.now()
    if (!was || !now) return
    const same = was.matches('[name="answer"]') ? now.querySelector(`[name="answer"][value="${was.value}"]`) : null
    ;(same || now.querySelector('.review-stage')).focus({ preventScroll: true })
  }

  /* Sends what waits, the oldest first. What gets no reply stays and is sent again. */
  async send() {
    if (this.sending) return
    clearTimeout(this.timer)
    while (this.unsent.list.length) {
      const entry = this.sending = this.unsent.list[0]
      const reply = await this.ask('/page/review/answer', entry.fields)
      this.sending = null
      if (reply === null) break
      this.unsent.remove(entry)
      this.presses += 1
      if (this.channel) this.channel.postMessage(entry.seq)
      this.merge(reply)
    }
    this.tell()
    if (this.unsent.list.length && this.root.dataset.ended !== 'yes') this.timer = setTimeout(() => this.send(), Math.min(15000, 1000 * 2 ** this.failures))
    this.show()
  }

  /* The station's reply; null where there is none, or where it asks for a log-in. */
  async ask(address, fields) {
    const more = fields ? { method: 'POST', body: new URLSearchParams(fields) } : {}
    let reply = null
    try {
      reply = await fetch(address, { ...more, redirect: 'manual', signal: AbortSignal.timeout(20000) })
      if (reply.type === 'opaqueredirect' || reply.status === 401 || reply.status === 403) { this.root.dataset.ended = 'yes'; return null }
      if (reply.status >= 500) throw new Error(reply.statusText)
      const text = await reply.text()
      this.failures = 0
      this.root.dataset.ended = 'no'
      return text
    } catch {
      this.failures += 1
      return null
    } finally { this.tell() }
  }

  /* Says how many answers wait, and why. */
  tell() {
    const waits = this.unsent.list.length, ended = this.root.dataset.ended === 'yes'
    document.getElementById('review-ended').hidden = !ended
    document.getElementById('review-lost').hidden = ended || !waits || !this.failures
    for (const place of this.root.querySelectorAll('.review-waits')) place.textContent = String(waits)
  }

  async refill() {
    if (this.sending || this.unsent.list.length) { this.send(); return }
    const presses = this.presses
    const reply = await this.ask(`/page/review/tasks?line=${encodeURIComponent(this.root.dataset.line)}`)
    if (reply !== null && presses === this.presses) this.merge(reply, true) // else it is older than an answer
  }

  async undo(n = '') {
    const last = this.unsent.list[this.unsent.list.length - 1]
    if (!n && last && last !== this.sending) {
      this.unsent.remove(last)
      this.bring(this.answered.get(last.seq))
      this.tell()
      this.say(this.root.dataset.undone.replace('{name}', last.name))
      return
    }
    this.presses += 1
    const reply = await this.ask('/page/review/undo', { n, line: this.root.dataset.line, script: 'yes' })
    if (reply === null) { if (this.root.dataset.ended !== 'yes') this.say(this.root.dataset.unreached) } else { this.merge(reply) }
  }

  /* Puts a task before all others. */
  bring(task) {
    if (!task) return
    this.root.querySelector('.review-tasks').prepend(task)
    this.shown = null
    this.show()
    task.querySelector('.review-stage').focus({ preventScroll: true })
  }

  dismiss(seq) {
    this.tasks().filter(task => task.dataset.seq === seq).forEach(task => task.remove())
    this.show()
  }

  /* Takes in what the station sent: new tasks behind those that are here, numbers, the last answers, a problem.
     What is not among the tasks of a whole list has gone to somebody else. */
  merge(text, whole = false) {
    const told = new DOMParser().parseFromString(text, 'text/html').querySelector('.review-now')
    if (!told) { this.say(this.root.dataset.refused); return }
    for (const part of ['.review-problem', '.review-side']) {
      const here = this.root.querySelector(part)
      if (here.innerHTML !== told.querySelector(part).innerHTML) here.innerHTML = told.querySelector(part).innerHTML
    }
    const back = told.dataset.back, listed = new Set([...told.querySelectorAll('.review-task')].map(task => task.dataset.seq))
    const gone = whole ? this.tasks().filter(task => !listed.has(task.dataset.seq)) : []
    if (gone.includes(this.now())) this.say(this.root.dataset.gone)
    gone.forEach(task => task.remove())
    const had = new Set(this.tasks().map(task => task.dataset.seq))
    for (const task of told.querySelectorAll('.review-task')) {
      const seq = task.dataset.seq
      if (had.has(seq) || this.unsent.has(seq)) continue
      const known = seq === back ? this.answered.get(seq) : null
      if (!known) this.take(task)
      this.root.querySelector('.review-tasks').append(known || task)
    }
    if (told.dataset.said) this.say(told.dataset.said)
    if (back) this.bring(this.tasks().find(task => task.dataset.seq === back))
    this.show()
  }
}
