/* Pictures under review: zoom, and marks by box, brush and eraser, by mouse, touch and keys. */
'use strict'
const MOST_ZOOM = 24, MOST_POINTS = 8000
const SVG = 'http://www.w3.org/2000/svg'

/* One picture with its marks, in pixels of the frame. */
class MarkedPicture {
  constructor(task) {
    this.task = task
    this.stage = task.querySelector('.review-stage')
    this.canvas = task.querySelector('.review-canvas')
    this.image = task.querySelector('.review-picture')
    this.shapes = task.querySelector('.review-shapes')
    this.marks = []
    this.zoom = 1
    this.left = this.top = 0
    this.pointers = new Map()
    if (!this.image) return
    this.image.addEventListener('load', () => this.lay())
    new ResizeObserver(() => this.lay()).observe(this.stage)
    this.stage.addEventListener('pointerdown', event => this.press(event))
    this.stage.addEventListener('pointermove', event => this.move(event))
    for (const name of ['pointerup', 'pointercancel']) this.stage.addEventListener(name, event => this.lift(event))
    this.stage.addEventListener('wheel', event => this.turn(event), { passive: false })
    this.stage.addEventListener('keydown', event => this.key(event))
  }

  get width() { return this.image ? this.image.naturalWidth : 0 }
  get height() { return this.image ? this.image.naturalHeight : 0 }
  get tool() { return document.getElementById('review').dataset.tool }
  get brush() { return Math.max(this.width, this.height) * Number(document.getElementById('review').dataset.brush) / 100 }

  /* The place as the station takes it; '' where nothing is marked. */
  place() {
    if (!this.marks.length) return ''
    const strokes = this.marks.filter(mark => mark.points).map(({ width, points }) => ({ width, points }))
    return JSON.stringify({ boxes: this.marks.filter(mark => mark.box).map(mark => mark.box), strokes })
  }

  /* Fits the canvas to the stage, times the zoom; it never leaves the stage empty on one side. */
  lay() {
    if (!this.width || !this.stage.clientWidth) return
    const fit = Math.min(this.stage.clientWidth / this.width, this.stage.clientHeight / this.height) * this.zoom
    const inside = (offset, room, size) => size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, offset))
    this.left = inside(this.left, this.stage.clientWidth, this.width * fit)
    this.top = inside(this.top, this.stage.clientHeight, this.height * fit)
    Object.assign(this.canvas.style, {
      width: `${this.width * fit}px`, height: `${this.height * fit}px`, left: `${this.left}px`, top: `${this.top}px`,
    })
    this.shapes.setAttribute('viewBox', `0 0 ${this.width} ${this.height}`)
    this.stage.classList.toggle('is-zoomed', this.zoom > 1)
  }

  /* Zooms so that the point of the stage under x and y stays where it is; from the middle without them. */
  zoomBy(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const to = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor)), by = to / this.zoom
    this.left = x - (x - this.left) * by
    this.top = y - (y - this.top) * by
    this.zoom = to
    this.lay()
  }

  fit() { this.zoom = 1; this.lay() }

  at(event) {
    const box = this.canvas.getBoundingClientRect()
    const clip = (value, most) => Math.round(Math.min(most, Math.max(0, value)) * 10) / 10
    return [clip((event.clientX - box.left) / box.width * this.width, this.width), clip((event.clientY - box.top) / box.height * this.height, this.height)]
  }

  press(event) {
    if (event.button || !this.width) return
    this.stage.setPointerCapture(event.pointerId)
    this.pointers.set(event.pointerId, event)
    if (this.pointers.size === 2) { this.drop(); return }
    if (this.pointers.size > 2) return
    this.from = this.at(event)
    if (this.tool === 'eraser') this.erase(event)
    if (this.tool === 'brush') this.add({ width: Math.round(this.brush * 10) / 10, points: [this.from] })
  }

  move(event) {
    const before = this.pointers.get(event.pointerId)
    if (!before) return
    if (this.pointers.size === 2) { this.pinch(event) } else if (this.tool === 'look') {
      this.left += event.clientX - before.clientX
      this.top += event.clientY - before.clientY
      this.lay()
    } else if (this.tool === 'eraser') { this.erase(event) } else if (this.tool === 'brush') { this.paint(event) } else { this.pull(event) }
    this.pointers.set(event.pointerId, event)
  }

  lift(event) {
    this.pointers.delete(event.pointerId)
    this.open = null
  }

  /* A second finger: what the first one had begun was no mark. */
  drop() {
    if (this.open) this.marks = this.marks.filter(mark => mark !== this.open)
    this.open = null
    this.draw()
  }

  pinch(event) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1], before = this.pointers.get(event.pointerId)
    const far = one => Math.max(10, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY))
    const stage = this.stage.getBoundingClientRect()
    this.left += (event.clientX - before.clientX) / 2
    this.top += (event.clientY - before.clientY) / 2
    this.zoomBy(far(event) / far(before), (event.clientX + other.clientX) / 2 - stage.left, (event.clientY + other.clientY) / 2 - stage.top)
  }

  turn(event) {
    if (event.deltaY > 0 && this.zoom === 1) return // the page scrolls
    event.preventDefault()
    const stage = this.stage.getBoundingClientRect()
    this.zoomBy(Math.exp(-event.deltaY / 300), event.clientX - stage.left, event.clientY - stage.top)
  }

  pull(event) {
    const [x, y] = this.at(event), [left, top] = this.from
    const box = [Math.floor(Math.min(x, left)), Math.floor(Math.min(y, top)), Math.ceil(Math.max(x, left)), Math.ceil(Math.max(y, top))]
    if (!this.open && (box[2] - box[0] < 3 || box[3] - box[1] < 3)) return
    if (this.open) { this.open.box = box; this.draw() } else { this.add({ box }) }
  }

  paint(event) {
    if (!this.open) return
    const points = this.open.points, all = this.marks.reduce((n, mark) => n + (mark.points || []).length, 0)
    const [x, y] = this.at(event), [lastX, lastY] = points[points.length - 1]
    if (all >= MOST_POINTS || Math.hypot(x - lastX, y - lastY) < Math.max(1, this.open.width / 6)) return
    points.push([x, y])
    this.draw()
  }

  erase(event) {
    const [x, y] = this.at(event), reach = this.brush / 2
    const hit = mark => mark.box
      ? x >= mark.box[0] - reach && x <= mark.box[2] + reach && y >= mark.box[1] - reach && y <= mark.box[3] + reach
      : mark.points.some(point => Math.hypot(point[0] - x, point[1] - y) <= (mark.width / 2) + reach)
    const left = this.marks.filter(mark => !hit(mark))
    if (left.length !== this.marks.length) { this.marks = left; this.draw() }
  }

  add(mark) {
    if (this.marks.filter(one => one.box).length >= 50 || this.marks.length >= 200) return
    this.marks.push(mark)
    this.open = mark
    this.draw()
  }

  takeBack() { this.marks.pop(); this.draw() }
  clear() { this.marks = []; this.draw() }

  /* Keys on the picture: Enter begins a box in the middle, arrows move the last one, with Shift its far corner. */
  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (event.ctrlKey || event.metaKey || event.altKey || !this.width) return
    if (event.key === 'Enter') {
      const w = Math.round(this.width / 2), h = Math.round(this.height / 2), far = Math.max(2, Math.round(Math.min(w, h) / 4))
      this.add({ box: [w - far, h - far, w + far, h + far] })
      this.open = null
    } else if (event.key === 'Delete' || event.key === 'Backspace') { this.takeBack() } else if (step) {
      const mark = this.marks[this.marks.length - 1]
      if (mark && mark.box) this.shift(mark, step, event.shiftKey)
      else { this.left -= step[0] * 40; this.top -= step[1] * 40; this.lay() }
    } else { return }
    event.preventDefault()
  }

  shift(mark, step, corner) {
    const [x, y] = step.map(one => one * Math.max(1, Math.round(Math.max(this.width, this.height) / 50)))
    const [x0, y0, x1, y1] = mark.box
    const dx = Math.min(this.width - x1, corner ? Math.max(x, x0 + 3 - x1) : Math.max(x, -x0))
    const dy = Math.min(this.height - y1, corner ? Math.max(y, y0 + 3 - y1) : Math.max(y, -y0))
    mark.box = corner ? [x0, y0, x1 + dx, y1 + dy] : [x0 + dx, y0 + dy, x1 + dx, y1 + dy]
    this.draw()
  }

  draw() {
    this.shapes.replaceChildren(...this.marks.map(mark => {
      const shape = document.createElementNS(SVG, mark.box ? 'rect' : 'polyline')
      const set = mark.box
        ? { x: mark.box[0], y: mark.box[1], width: mark.box[2] - mark.box[0], height: mark.box[3] - mark.box[1] }
        : { points: (mark.points.length > 1 ? mark.points : [mark.points[0], mark.points[0]]).join(' '), 'stroke-width': mark.width }
      for (const [name, value] of Object.entries(set)) shape.setAttribute(name, value)
      return shape
    }))
    this.task.classList.toggle('is-marked', this.marks.length > 0)
    this.task.dispatchEvent(new CustomEvent('marked', { bubbles: true, detail: this.marks.length }))
  }
}
