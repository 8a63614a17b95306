/** Names of credentials, one rule for headers, query parameters and members of bodies. */

/** A word for a secret at the end of a part of the name: `x-acme-token`, `subscription-key`. */
const SECRET_WORD =
  /(?:key|token|secret|auth|authorization|password|passwd|pwd|credentials?|signature|sig|jwt|assertion)(?=$|[-_.[\]])/

/** Names with such a word whose values change with every request and prove nothing. */
const HARMLESS =
  /(?:idempotency|cache|websocket|partition|routing|sort)[-_]?key$|(?:page|continuation)[-_]?token$/

/** Whether a name says that its value is a secret. @param name in lower case */
export const isSecretName = (name: string): boolean =>
  SECRET_WORD.test(name) && !HARMLESS.test(name)
