/**
 * Removes base64 images, audio and documents from a logged body: they are megabytes long and no training
 * data. Works on the bytes, so that a body without attachments takes a look at every thousandth byte.
 */

/** shorter ones stay: digests, tokens, icons */
const MIN_CHARS = 1024

/** Text before base64: of a data URL, or an OpenAI field that holds only base64. */
const BEFORE = /(?:;base64,|"(?:data|file_data|b64_json)"\s*:\s*")$/
const BEFORE_BYTES = 24

/** RFC 4648 §4 and §5, and the backslash of an escaped slash. */
const IN_BASE64 = new Uint8Array(256)
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\\')
  IN_BASE64[char.charCodeAt(0)] = 1

const isBase64 = (body: Buffer, at: number): boolean => IN_BASE64[body[at]!] === 1

/** The run of base64 characters around a place. */
const runAround = (body: Buffer, place: number, from: number): { start: number; end: number } => {
  let start = place
  while (start > from && isBase64(body, start - 1)) start--
  let end = place
  while (end < body.length && isBase64(body, end)) end++
  return { start, end }
}

const isAttachment = (body: Buffer, start: number, end: number): boolean =>
  end - start >= MIN_CHARS &&
  BEFORE.test(body.toString('latin1', Math.max(0, start - BEFORE_BYTES), start))

/** @returns the body itself without attachments, else a copy with `[12345 base64 characters]` for each */
export const withoutAttachments = (body: Buffer): Buffer => {
  const pieces: Buffer[] = []
  let kept = 0
  // the shortest attachment covers one of these places
  for (let place = MIN_CHARS - 1; place < body.length; place += MIN_CHARS) {
    if (!isBase64(body, place)) continue
    const { start, end } = runAround(body, place, kept)
    if (isAttachment(body, start, end)) {
      pieces.push(body.subarray(kept, start), Buffer.from(`[${end - start} base64 characters]`))
      kept = end
    }
    place += Math.floor((end - 1 - place) / MIN_CHARS) * MIN_CHARS
  }
  return pieces.length === 0 ? body : Buffer.concat([...pieces, body.subarray(kept)])
}
