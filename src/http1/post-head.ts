/** The head of a POST, as it goes over the wire. Pure. */
import { FIELD_VALUE, fieldKey } from './field-text.ts'
import { Http1Error } from './http1-error.ts'

const PATH = /^\/[!-~]*$/

const unsendable = (what: string): Http1Error => new Http1Error('unsendable', `invalid ${what}`)

/**
 * All but the length of the body, which comes behind it.
 * @param path in origin form (RFC 9112 §3.2.1)
 * @param headers flat list, without `host`, `connection`, `content-length` and `transfer-encoding`
 * @throws Http1Error `unsendable`
 */
export const postHead = (host: string, path: string, headers: readonly string[]): Buffer => {
  if (!PATH.test(path)) throw unsendable('request path')
  let head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!
    const value = headers[i + 1]!
    if (fieldKey(name) === null) throw unsendable('header name')
    if (!FIELD_VALUE.test(value)) throw unsendable(`${name} header`)
    head += `${name}: ${value}\r\n`
  }
  return Buffer.from(head, 'latin1')
}

/** The end of the head. */
export const lengthLine = (body: Buffer): string => `content-length: ${body.length}\r\n\r\n`
