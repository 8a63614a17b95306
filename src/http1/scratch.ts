/**
 * Memory that is written again for one message after the other. New memory for each of some kilobytes
 * costs more than the copy, most of it in the collector.
 */

const NONE = Buffer.alloc(0)

export class Scratch {
  private memory = NONE

  /** @returns memory of so many bytes, which is handed out anew at the next call */
  room(bytes: number): Buffer {
    if (this.memory.length < bytes) this.memory = Buffer.allocUnsafeSlow(bytes)
    return this.memory.subarray(0, bytes)
  }

  /** What was handed out last is still being read, and stays as it is. */
  leave(): void {
    this.memory = NONE
  }
}
