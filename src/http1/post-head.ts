/** The head of a request with a body in one piece, as it goes over the wire. Pure. */
import { TOKEN } from './field-text.ts'
import { Http1Error } from './http1-error.ts'

export interface PostRequest {
  /** origin form (RFC 9112 §3.2.1) */
  path: string
  /** flat list, without `host`, `connection`, `content-length` and `transfer-encoding` */
  headers: readonly string[]
  body: Buffer
}

const PATH = /^\/[!-~]*$/
/** RFC 9110 §5.5; as characters of latin1, which is how they are written. */
const VALUE = /^[\t -~\x80-\xff]*$/

const unsendable = (what: string): Http1Error => new Http1Error('unsendable', `invalid ${what}`)

/** @throws Http1Error `unsendable` */
export const postHead = (host: string, { path, headers, body }: PostRequest): string => {
  if (!PATH.test(path)) throw unsendable('request path')
  let head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!
    const value = headers[i + 1]!
    if (!TOKEN.test(name)) throw unsendable('header name')
    if (!VALUE.test(value)) throw unsendable(`${name} header`)
    head += `${name}: ${value}\r\n`
  }
  return `${head}content-length: ${body.length}\r\n\r\n`
}
