/** Undoes a content encoding for the log; the client always gets the upstream's own bytes. */
import { promisify } from 'node:util'
import { brotliDecompress, constants, gunzip, inflate } from 'node:zlib'

const gunzipAsync = promisify(gunzip)
const inflateAsync = promisify(inflate)
const brotliAsync = promisify(brotliDecompress)

/**
 * @param maxBytes decoded size that is refused, so that a small answer cannot fill the memory
 * @returns null when the encoding is unknown, broken or too large; an answer that was cut off is
 * decoded as far as it goes
 */
export const decodeBody = async (
  body: Buffer,
  contentEncoding: string,
  maxBytes: number
): Promise<Buffer | null> => {
  const limit = { maxOutputLength: maxBytes, finishFlush: constants.Z_SYNC_FLUSH }
  try {
    switch (contentEncoding) {
      case '':
      case 'identity':
        return body
      case 'gzip':
      case 'x-gzip':
        return await gunzipAsync(body, limit)
      case 'deflate':
        return await inflateAsync(body, limit)
      case 'br':
        return await brotliAsync(body, {
          maxOutputLength: maxBytes,
          finishFlush: constants.BROTLI_OPERATION_FLUSH,
        })
      default:
        return null
    }
  } catch {
    return null
  }
}
