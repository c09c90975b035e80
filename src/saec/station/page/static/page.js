/* What the page does in the browser beside htmx: theme, lost connection, sound of alarms, held pictures. */
'use strict'
const kept = {
  get: name => { try { return localStorage.getItem(`saec.${name}`) } catch { return null } },
  set: (name, value) => { try { localStorage.setItem(`saec.${name}`, value) } catch { /* private window */ } },
}
const theme = kept.get('theme')
if (theme) document.documentElement.dataset.theme = theme

addEventListener('DOMContentLoaded', () => {
  followTheme()
  showOpenView()
  replaceLostPictures()
  followConnection()
  followAlarms()
  followHolds()
  keepWhatIsPressed()
  closeMenus()
  followKeys()
  chooseOwnWindow()
})

/* Scrolls the menu alone: scrollIntoView would also move the place where the first Tab begins. */
function showOpenView() {
  const views = document.querySelector('.views'), open = views?.querySelector('[aria-current]')
  if (open) views.scrollLeft += open.getBoundingClientRect().left - (views.clientWidth - open.offsetWidth) / 2
}

function followTheme() {
  document.getElementById('theme').addEventListener('click', () => {
    const root = document.documentElement
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
    root.dataset.theme = dark ? 'light' : 'dark'
    kept.set('theme', root.dataset.theme)
  })
}

/* A map's picture is drawn a moment after its verdict, and is deleted before the image is. */
function replaceLostPictures() {
  document.addEventListener('error', event => {
    const image = event.target
    if (image.tagName !== 'IMG') return
    if (image.dataset.instead && !image.dataset.again) {
      image.dataset.again = 'yes'
      setTimeout(() => { image.src = `${image.getAttribute('src')}?again` }, 250)
    } else if (image.dataset.instead) {
      image.src = image.dataset.instead
      delete image.dataset.instead
    } else {
      image.hidden = true
    }
  }, true)
}

/* What changes under a finger would swallow its press: it waits until the finger is lifted. */
function keepWhatIsPressed() {
  const waiting = new Map()
  let pressed = null
  const lift = () => {
    pressed = null
    setTimeout(() => {
      waiting.forEach((data, target) => htmx.swap(target, data, { swapStyle: 'innerHTML' }))
      waiting.clear()
    })
  }
  document.addEventListener('pointerdown', event => { pressed = event.target })
  document.addEventListener('pointerup', lift)
  document.addEventListener('pointercancel', lift)
  document.body.addEventListener('htmx:sseBeforeMessage', event => {
    if (!pressed || !event.target.contains(pressed)) return
    waiting.set(event.target, event.detail.data)
    event.preventDefault()
  })
}

function followConnection() {
  const lost = document.getElementById('lost'), beat = document.querySelector('.beat')
  if (!lost) return
  let heard = Date.now()
  const show = gone => {
    if (gone && lost.hidden) document.getElementById('lost-time').textContent = beat.textContent || '–'
    lost.hidden = !gone
  }
  document.body.addEventListener('htmx:sseMessage', () => { heard = Date.now(); show(false) })
  document.body.addEventListener('htmx:sseError', () => setTimeout(() => { if (Date.now() - heard > 2500) show(true) }, 3000))
  document.getElementById('ended').addEventListener('htmx:sseMessage', () => location.reload())
  setInterval(() => { if (Date.now() - heard > 7000) show(true) }, 1000)
}

function followAlarms() {
  const button = document.getElementById('sound'), banner = document.getElementById('banner')
  if (!button) return
  const sound = new Audio(button.dataset.wav)
  let rung = 0, newest = ''
  const show = () => {
    const on = kept.get('sound') === 'on', blocked = 'blocked' in button.dataset
    button.setAttribute('aria-pressed', String(on && !blocked))
    button.querySelector('.button-word').textContent = blocked ? button.dataset.press : on ? button.dataset.on : button.dataset.off
    button.title = button.querySelector('.button-word').textContent
  }
  const ring = () => sound.play().then(
    () => { delete button.dataset.blocked; show() },
    error => { if (error.name === 'NotAllowedError') { button.dataset.blocked = ''; show() } },
  )
  const look = () => {
    const open = banner.querySelector('[data-newest]')
    if (!open) { rung = 0; return }
    const again = open.dataset.newest === newest ? 15000 : 4000
    if (Date.now() - rung < again) return
    newest = open.dataset.newest
    rung = Date.now()
    if (kept.get('sound') === 'on') ring()
  }
  button.addEventListener('click', () => {
    const on = kept.get('sound') !== 'on' || 'blocked' in button.dataset
    kept.set('sound', on ? 'on' : 'off')
    delete button.dataset.blocked
    show()
    if (on) ring()
  })
  banner.addEventListener('htmx:sseMessage', look)
  setInterval(look, 1000)
  show()
}

/* A defect's picture stays until it is released, or for a time; what comes meanwhile waits. */
function followHolds() {
  const choice = document.getElementById('hold')
  if (!choice) return
  const waiting = new WeakMap(), timers = new WeakMap()
  choice.value = kept.get('hold') || 'off'
  if (choice.selectedIndex < 0) choice.value = 'off'
  document.getElementById('hold-options').hidden = false

  const release = line => {
    const frame = line.querySelector('.line-frame')
    clearTimeout(timers.get(line))
    line.classList.remove('is-held')
    line.querySelector('.held').hidden = true
    if (waiting.has(frame)) htmx.swap(frame, waiting.get(frame), { swapStyle: 'innerHTML' })
    waiting.delete(frame)
  }
  const hold = line => {
    if (choice.value === 'off') return
    line.classList.add('is-held')
    line.querySelector('.held').hidden = false
    if (choice.value !== 'on') timers.set(line, setTimeout(() => release(line), 1000 * Number(choice.value)))
  }
  /* Whether a card is a defect that this line has not shown yet. */
  const isNews = (line, card) => {
    if (!card || card.dataset.label !== 'defect' || Number(card.dataset.n) <= Number(line.dataset.defect)) return false
    line.dataset.defect = card.dataset.n
    return true
  }
  document.body.addEventListener('htmx:sseBeforeMessage', event => {
    const frame = event.target
    if (!frame.matches('.line-frame') || !frame.closest('.line').classList.contains('is-held')) return
    waiting.set(frame, event.detail.data)
    event.preventDefault()
  })
  document.body.addEventListener('htmx:sseMessage', event => {
    const target = event.target, line = target.closest('.line')
    if (!line || line.classList.contains('is-held')) return
    if (target.matches('.line-frame') && isNews(line, target.querySelector('.card'))) hold(line)
    if (target.matches('.defect-slot') && isNews(line, target.querySelector('.card')) && choice.value !== 'off') {
      const frame = line.querySelector('.line-frame')
      waiting.set(frame, frame.innerHTML)
      frame.replaceChildren(...target.childNodes)
      hold(line)
    }
  })
  const releaseAll = () => document.querySelectorAll('.line.is-held').forEach(release)
  choice.addEventListener('change', () => { kept.set('hold', choice.value); releaseAll() })
  document.addEventListener('click', event => {
    const button = event.target.closest('[data-release]')
    if (button) release(button.closest('.line'))
  })
  document.addEventListener('keydown', event => { if (event.key === 'Escape') releaseAll() })
}

function closeMenus() {
  const close = (menu, back) => { menu.open = false; if (back) menu.querySelector('summary').focus() }
  document.addEventListener('click', event => {
    document.querySelectorAll('details.menu[open]').forEach(menu => { if (!menu.contains(event.target)) close(menu, false) })
  })
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape') document.querySelectorAll('details.menu[open]').forEach(menu => close(menu, menu.contains(document.activeElement)))
  })
}

/* Arrow keys lead where a link says so, unless something that has keys of its own is in use. */
function followKeys() {
  document.addEventListener('keydown', event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return
    if (event.target.closest('input, select, textarea, .scroll, summary')) return
    const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`)
    if (link) link.click()
  })
}

/* Who changes an end of the window means that window. */
function chooseOwnWindow() {
  const choice = document.getElementById('window')
  if (!choice) return
  for (const name of ['since', 'until']) document.getElementById(name).addEventListener('input', () => { choice.value = 'chosen' })
}
