/** For what is kept: views of bytes and of texts keep all that they are views of. */

/** What zlib returns is a view of 16 KB or more, and small buffers share 8 KB with others. */
export const ownBytes = (bytes: Buffer): Buffer => {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

/** @param text of Latin-1 characters */
export const ownText = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
