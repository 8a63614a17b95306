import { avalanche } from '../request/request-scan.ts'

/**
 * A hash of 32 bits, some 0.1 µs for a tenant: FNV-1a over UTF-16 units, and the finalizer of MurmurHash3,
 * without which texts that differ in their last character share their first bits. It is stored, so it must
 * never change.
 */
export const hashOf = (text: string): number => {
  let hash = 0x811c_9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  return avalanche(hash) >>> 0
}
