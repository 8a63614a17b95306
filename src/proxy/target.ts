/** The target of a request, as its first line has it. Pure. */

/** `GET http://host/path` (RFC 9112 §3.2.2) and `GET /path` mean the same path. */
export const pathOf = (target: string): string =>
  target.startsWith('/') || !URL.canParse(target)
    ? target
    : new URL(target).pathname + new URL(target).search

/** A gateway between the proxy and an upstream may decode a path again. */
const MAX_DECODINGS = 4

const decodedPath = (path: string): string => {
  let text = path
  for (let i = 0; i < MAX_DECODINGS && text.includes('%'); i++)
    text = text.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16))
    )
  return text
}

/**
 * The segments of a path as any server behind the proxy could read them: decoded, also where a backslash divides them,
 * without parameters, without those that are empty or one dot. Two dots are left.
 */
export const segmentsOf = (path: string): string[] => {
  const [named = ''] = path.split(/[?#]/, 1)
  return decodedPath(named)
    .split(/[/\\]/)
    .map((part) => part.replace(/[;?#].*/s, '').trim())
    .filter((segment) => segment !== '' && segment !== '.')
}
