/** Reads an answer of another program, which may have no end. */

/** @throws RangeError where it has more bytes; what the network throws */
export const textWithin = async (response: Response, maxBytes: number): Promise<string> => {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.byteLength
    // leaving the loop breaks the answer off
    if (bytes > maxBytes) throw new RangeError(`the answer has more than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
