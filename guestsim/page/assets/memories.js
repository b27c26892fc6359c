/**
 * Contents of shared memory, each kept once under a number: equal contents, equal numbers.
 *
 * A content is a row of chunks, which are kept once each, too: a store makes one new chunk.
 */

const CHUNK = 256;

/** An array of integers that grows. */
export class Ints {
  constructor(capacity = 1024) {
    this.data = new Int32Array(capacity);
    this.length = 0;
  }

  /** @param {number} value */
  push(value) {
    if (this.length === this.data.length) {
      const larger = new Int32Array(2 * this.data.length);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length] = value;
    this.length += 1;
  }
}

export class Memories {
  /** @param {number} size in bytes */
  constructor(size) {
    this.size = size;
    this.width = Math.ceil(size / CHUNK);
    this.chunks = new Uint8Array(64 * CHUNK);
    /** @type {Map<string, number>} */
    this.chunkIds = new Map();
    this.rows = new Ints(64 * this.width);
    /** @type {Map<string, number>} */
    this.ids = new Map();
    this.scratch = new Uint8Array(this.width * CHUNK);
  }

  get count() {
    return this.ids.size;
  }

  /**
   * @private The number of a chunk; -1 where it is new and `add` is not set.
   * @param {Uint8Array} bytes @param {boolean} add
   */
  chunk(bytes, add) {
    const key = String.fromCharCode.apply(null, /** @type {any} */ (bytes)); // array-like is enough
    let id = this.chunkIds.get(key);
    if (id === undefined) {
      if (!add) return -1;
      id = this.chunkIds.size;
      this.chunkIds.set(key, id);
      if ((id + 1) * CHUNK > this.chunks.length) {
        const larger = new Uint8Array(2 * this.chunks.length);
        larger.set(this.chunks);
        this.chunks = larger;
      }
      this.chunks.set(bytes, id * CHUNK);
    }
    return id;
  }

  /** @private @param {number[]} chunks @param {boolean} add */
  row(chunks, add) {
    const key = String.fromCharCode.apply(null, chunks.flatMap((id) => [id >>> 16, id & 0xffff]));
    let id = this.ids.get(key);
    if (id === undefined) {
      if (!add) return -1;
      id = this.ids.size;
      this.ids.set(key, id);
      for (const chunk of chunks) this.rows.push(chunk);
    }
    return id;
  }

  /**
   * The number of this content; -1 where it is new and `add` is not set.
   * @param {Uint8Array} bytes @param {boolean} [add]
   */
  intern(bytes, add = true) {
    this.scratch.fill(0);
    this.scratch.set(bytes);
    const chunks = [];
    for (let at = 0; at < this.width; at += 1) {
      const id = this.chunk(this.scratch.subarray(at * CHUNK, (at + 1) * CHUNK), add);
      if (id < 0) return -1;
      chunks.push(id);
    }
    return this.row(chunks, add);
  }

  /** @private One byte of a content. @param {number} id @param {number} address */
  byte(id, address) {
    const chunk = this.rows.data[id * this.width + (address >>> 8)];
    return this.chunks[chunk * CHUNK + (address & 255)];
  }

  /** `size` bytes of a content. @param {number} id @param {number} address @param {number} size */
  bytes(id, address, size) {
    const found = new Uint8Array(size);
    for (let at = 0; at < size; at += 1) found[at] = this.byte(id, address + at);
    return found;
  }

  /**
   * The content after `change` has been made to its bytes, at `ranges` only.
   * @param {number} id @param {[number, number][]} ranges @param {(bytes: Uint8Array) => void} change
   */
  changed(id, ranges, change) {
    const chunks = Array.from(this.rows.data.subarray(id * this.width, (id + 1) * this.width));
    chunks.forEach((chunk, at) => {
      this.scratch.set(this.chunks.subarray(chunk * CHUNK, (chunk + 1) * CHUNK), at * CHUNK);
    });
    change(this.scratch);
    for (const [address, size] of ranges) {
      for (let at = address >>> 8; at <= address + size - 1 >>> 8; at += 1) {
        chunks[at] = this.chunk(this.scratch.subarray(at * CHUNK, (at + 1) * CHUNK), true);
      }
    }
    return this.row(chunks, true);
  }
}
