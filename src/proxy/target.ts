/**
 * The target of a request, as its first line has it, and the paths that are forwarded: those of the API. Any other is
 * a person's at a browser, or a client's whose base URL is wrong; the provider would answer it with an error that says
 * nothing about this server.
 */
import { AppError } from '../errors.ts'

/** Azure's API is below `/openai`, also where a client has its version in the query. */
const API_FOLDERS = ['/v1', '/openai']

/** Paths of the API below its version: what a client asks for whose base URL lacks it. */
const BELOW_VERSION =
  /^\/(?:chat|completions|responses|models|embeddings|moderations|files|batches|images|audio|fine_tuning|assistants|threads|vector_stores|uploads|conversations|realtime)(?:[/?]|$)/

/** Paths without it have no segment of two dots, in any spelling. */
const MAY_LEAVE = /\.\.|%/

/** Whether a path leaves the folder that it begins in, also where it comes back: an upstream's base may be another. */
const leaves = (path: string): boolean => {
  let depth = 0
  for (const segment of segmentsOf(path)) {
    depth += segment === '..' ? -1 : 1
    if (depth < 0) return true
  }
  return false
}

const isBelow = (folder: string, path: string): boolean =>
  path.startsWith(folder) &&
  ['', '/', '?'].includes(path.charAt(folder.length)) &&
  !(MAY_LEAVE.test(path) && leaves(path.slice(folder.length)))

/**
 * @param baseUrls of the upstreams: a path that begins as one of them is the API's, too
 * @returns says why the path of a request is not forwarded; null where it is
 */
export const createPathCheck = (
  baseUrls: readonly string[]
): ((target: string) => AppError | null) => {
  const prefixes = baseUrls.map((url) => new URL(url).pathname.replace(/\/+$/, ''))
  const folders = [...new Set([...API_FOLDERS, ...prefixes])].filter((folder) => folder !== '')
  return (target) => {
    const path = pathOf(target)
    if (folders.some((folder) => isBelow(folder, path))) return null
    const [shown = ''] = path.split('?', 1)
    const hint = BELOW_VERSION.test(path)
      ? `did you mean /v1${shown}? The base URL of a client ends in /v1`
      : 'clients use the base URL that ends in /v1, people the page at /admin'
    return new AppError(
      'not-found',
      `this is not a path of the API, so nothing was forwarded: ${hint}`
    )
  }
}

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
