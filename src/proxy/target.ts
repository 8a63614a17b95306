/** The target of a request, as its first line has it. Pure. */

/** `GET http://host/path` (RFC 9112 §3.2.2) and `GET /path` mean the same path. */
export const pathOf = (target: string): string =>
  target.startsWith('/') || !URL.canParse(target)
    ? target
    : new URL(target).pathname + new URL(target).search
