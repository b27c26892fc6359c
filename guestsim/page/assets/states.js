/** Rows of small numbers, each kept once under a number, in the order of their discovery. */
export class States {
  /** @param {number} width numbers in a row */
  constructor(width) {
    this.width = width;
    this.rows = new Int32Array(4096 * width);
    this.table = new Int32Array(16384).fill(-1);
    this.count = 0;
  }

  /** @private Where in the table a row is, or would be. @param {ArrayLike<number>} row */
  slot(row) {
    let hash = 0x811c9dc5;
    for (let at = 0; at < this.width; at += 1) {
      hash = Math.imul(hash ^ row[at], 0x01000193);
      hash = Math.imul(hash ^ hash >>> 15, 0x85ebca6b);
    }
    const mask = this.table.length - 1;
    let slot = (hash ^ hash >>> 13) & mask;
    for (;;) {
      const id = this.table[slot];
      if (id < 0) return slot;
      let at = 0;
      const base = id * this.width;
      while (at < this.width && this.rows[base + at] === row[at]) at += 1;
      if (at === this.width) return slot;
      slot = slot + 1 & mask;
    }
  }

  /** The number of a row, -1 where it is not there. @param {ArrayLike<number>} row */
  find(row) {
    return this.table[this.slot(row)];
  }

  /** The number of a row, which is added where it is new. @param {ArrayLike<number>} row */
  add(row) {
    const slot = this.slot(row);
    if (this.table[slot] >= 0) return this.table[slot];
    const id = this.count;
    this.table[slot] = id;
    if ((id + 1) * this.width > this.rows.length) {
      const larger = new Int32Array(2 * this.rows.length);
      larger.set(this.rows);
      this.rows = larger;
    }
    this.rows.set(row, id * this.width);
    this.count += 1;
    if (2 * this.count > this.table.length) this.grow();
    return id;
  }

  /** @private */
  grow() {
    this.table = new Int32Array(2 * this.table.length).fill(-1);
    for (let id = 0; id < this.count; id += 1) {
      const row = this.rows.subarray(id * this.width, (id + 1) * this.width);
      this.table[this.slot(row)] = id;
    }
  }
}
