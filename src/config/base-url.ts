/** Base URLs of the configuration: scheme, host, port and path, and nothing that could be a secret. */
import { z } from 'zod'

/** A lone `@`, `?` or `#` has nothing behind it and is refused as well. */
const EXTRAS = /^[^/]*\/\/[^/?#]*@|[?#]/

/**
 * Userinfo and a query would be dropped when requests are sent, and would show a password wherever the
 * URL is logged, so they are refused. The mistake does not repeat the URL.
 * @param keyPlace where a key belongs
 */
export const baseUrlSchema = (keyPlace: string) =>
  z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .refine(
      (text) => !EXTRAS.test(text),
      `must have no user, password, query or fragment; a key belongs in ${keyPlace}`
    )
