type Numbers = Float32Array | Uint8Array

/** Joins the parts in a new array. @param parts of one type, at least one */
export const concatenate = <T extends Numbers>(parts: readonly T[]): T => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const whole = new (parts[0]!.constructor as new (length: number) => T)(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
