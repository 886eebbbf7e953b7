/* What the timeline draws between two times: as many rectangles as can be told apart. */

const LAYERS_TRACK = 0;
/* Layers narrower than this are drawn as one block for each unit; slices narrower than that are joined. */
const LAYER_PX = 3;
const SLICE_PX = 1;

class TimelineData {
  constructor({ layers, units, names, slices }) {
    this.layers = layers.map(([name, start, end, alike, pieces]) => ({ name, start, end, alike, pieces }));
    this.tracks = ["layers", ...units];
    this.names = names;
    this.isWait = names.map((name) => name.startsWith("wait: "));
    this.drawn = new Map(Object.entries(slices).map(([layer, own]) =>
      [Number(layer), Object.entries(own).map(([unit, flat]) => this.track(Number(unit) + 1, flat))]));
    this.end = this.layers.length ? this.layers[this.layers.length - 1].end : 0;
  }

  /** Return slices as starts and ends from the layer's start, with the time that is work. */
  track(track, flat) {
    const count = flat.length / 3;
    const made = { track, start: new Float64Array(count), end: new Float64Array(count),
      name: new Int32Array(count), work: 0 };
    let time = 0;
    for (let number = 0; number < count; number += 1) {
      made.start[number] = time + flat[3 * number];
      made.end[number] = made.start[number] + flat[3 * number + 1];
      made.name[number] = flat[3 * number + 2];
      time = made.end[number];
      if (!this.isWait[made.name[number]]) made.work += made.end[number] - made.start[number];
    }
    return made;
  }

  /** Return the rectangles of some tracks between two times; a pixel is `pixel` picoseconds. */
  blocks(from, to, pixel, tracks) {
    const found = [];
    let few = null;
    for (let number = this.firstLayer(from); number < this.layers.length; number += 1) {
      const layer = this.layers[number];
      if (layer.start > to) break;
      if (layer.end - layer.start >= SLICE_PX * pixel) {
        few = null;
        found.push({ start: layer.start, end: layer.end, track: LAYERS_TRACK, share: 1, count: 1, layer: number });
      } else if (few) {
        few.end = layer.end;
        few.count += 1;
        if (few.end - few.start >= SLICE_PX * pixel) few = null;
      } else {
        few = { start: layer.start, end: layer.end, track: LAYERS_TRACK, share: 1, count: 1, layer: number };
        found.push(few);
      }
      this.addUnits(found, layer, from, to, pixel, tracks);
    }
    return found;
  }

  /** Return the number of the first layer that ends after a time. */
  firstLayer(time) {
    let [low, high] = [0, this.layers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.layers[middle].end <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  addUnits(found, layer, from, to, pixel, tracks) {
    const length = layer.end - layer.start;
    for (const own of this.drawn.get(layer.alike) ?? []) {
      if (!tracks.has(own.track)) continue;
      if (length < LAYER_PX * pixel) {
        if (own.work) {
          found.push({ start: layer.start, end: layer.end, track: own.track, share: Math.min(1, own.work / length),
            count: own.start.length });
        }
        continue;
      }
      this.addSlices(found, own, layer.start, from, to, pixel);
    }
  }

  addSlices(found, own, offset, from, to, pixel) {
    let open = null;
    const close = () => {
      if (!open) return;
      open.share = Math.min(1, open.work / Math.max(1, open.end - open.start));
      found.push(open);
      open = null;
    };
    for (let number = firstAfter(own.end, from - offset); number < own.start.length; number += 1) {
      const start = own.start[number] + offset;
      if (start > to) break;
      const end = own.end[number] + offset;
      const isWait = this.isWait[own.name[number]];
      const isSmall = end - start < SLICE_PX * pixel;
      if (open && (!isSmall || start - open.end >= SLICE_PX * pixel)) close();
      const work = isWait ? 0 : end - start;
      if (open) {
        open.end = end;
        open.work += work;
        open.count += 1;
        open.isWait &&= isWait;
      } else {
        open = { start, end, track: own.track, work, count: 1, name: own.name[number], isWait };
        if (!isSmall) close();
      }
    }
    close();
  }
}

/** Return the first place in increasing numbers whose number is above another. */
function firstAfter(numbers, limit) {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
