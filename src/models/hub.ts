/**
 * A client of the Hugging Face hub, as far as a download needs it: which files a repository has at
 * which commit, and their bytes from an offset on. Knows nothing of disks or of what a model is.
 */
import { z } from 'zod'
import { AppError } from '../errors.ts'

export interface HubOptions {
  /** without a slash at its end */
  endpoint: string
  /** for private and gated repositories; sent to the endpoint alone, not to where it redirects */
  token: string | null
  fetch: typeof fetch
  /** to the headers of an answer, and between two pieces of its body */
  timeoutMs: number
}

/** What a file's bytes must hash to: git's blob id, or the sha256 of a large file. */
export interface Checksum {
  algorithm: 'git-sha1' | 'sha256'
  hex: string
}

export interface HubFile {
  name: string
  /** bytes */
  size: number
  checksum: Checksum
}

export interface HubRepository {
  name: string
  /** the commit that the files belong to */
  commit: string
  files: HubFile[]
}

const INFO = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().int().min(0),
      blobId: z.string().optional(),
      lfs: z.object({ sha256: z.string() }).nullish(),
    })
  ),
})

/** `owner/name`, of the characters that the hub allows. */
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/

const unreachable = ({ endpoint }: HubOptions, cause: unknown): AppError =>
  new AppError(
    'hub-unavailable',
    `the hub at ${endpoint} cannot be reached (${reasonOf(cause)}); check the network or set HF_ENDPOINT, or copy the model's files here by hand and give their path`,
    { cause }
  )

const reasonOf = (error: unknown): string => {
  const { cause, message } = error as { cause?: { code?: string }; message: string }
  return cause?.code ?? message
}

const request = async (
  options: HubOptions,
  path: string,
  headers: Record<string, string> = {}
): Promise<Response> => {
  const { endpoint, token, timeoutMs } = options
  const silence = new AbortController()
  const timer = setTimeout(
    () => silence.abort(new Error(`no answer within ${timeoutMs} ms`)),
    timeoutMs
  )
  try {
    return await options.fetch(`${endpoint}${path}`, {
      headers: {
        // a compressed body has no ranges
        'accept-encoding': 'identity',
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      signal: silence.signal,
    })
  } catch (error) {
    throw unreachable(options, error)
  } finally {
    clearTimeout(timer)
  }
}

/** What an answer other than success means to the person who waits for it. */
const refusal = (what: string, { status }: Response, { token }: HubOptions): AppError => {
  if (status === 401 || status === 403)
    return new AppError(
      'unauthorized',
      token === null
        ? `the hub does not show ${what} (${status}): it does not exist, or needs a token in HF_TOKEN`
        : `the hub does not show ${what} to the token in HF_TOKEN (${status}): accept its licence on the hub, or check the name`
    )
  if (status === 404) return new AppError('not-found', `the hub has no ${what}`)
  return new AppError('hub-unavailable', `the hub answers ${status} to ${what}; try again later`)
}

const checksumOf = ({ blobId, lfs }: z.infer<typeof INFO>['siblings'][number]): Checksum | null => {
  if (lfs) return { algorithm: 'sha256', hex: lfs.sha256 }
  return blobId === undefined ? null : { algorithm: 'git-sha1', hex: blobId }
}

const fileOf = (sibling: z.infer<typeof INFO>['siblings'][number]): HubFile[] => {
  const checksum = checksumOf(sibling)
  return checksum === null ? [] : [{ name: sibling.rfilename, size: sibling.size, checksum }]
}

/**
 * @param repository `owner/name`
 * @param revision branch, tag or commit
 * @throws AppError `invalid-request`, `not-found`, `unauthorized`, `hub-unavailable`
 */
export const describeRepository = async (
  options: HubOptions,
  repository: string,
  revision: string
): Promise<HubRepository> => {
  if (!REPOSITORY.test(repository))
    throw new AppError('invalid-request', `"${repository}" is not owner/name of a repository`)
  const path = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`
  const response = await request(options, path)
  if (!response.ok) throw refusal(`${repository} at ${revision}`, response, options)
  const body = await response.json().catch(() => null)
  const info = INFO.safeParse(body)
  if (!info.success)
    throw new AppError(
      'hub-unavailable',
      `${options.endpoint} does not answer like a Hugging Face hub: ${z.prettifyError(info.error)}`
    )
  return { name: repository, commit: info.data.sha, files: info.data.siblings.flatMap(fileOf) }
}

export interface Bytes {
  /** where the body begins; 0 when the server does not serve ranges */
  offset: number
  body: AsyncIterable<Uint8Array>
}

/** The body's pieces; a connection that breaks or falls silent is the hub's failure. */
async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  options: HubOptions
): AsyncIterable<Uint8Array> {
  const { timeoutMs } = options
  const reader = body.getReader()
  let timer: NodeJS.Timeout | undefined
  const next = (): ReturnType<typeof reader.read> => {
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no bytes for ${timeoutMs} ms`)), timeoutMs)
    })
    return Promise.race([reader.read(), silence]).catch((error: unknown) => {
      throw unreachable(options, error)
    })
  }
  try {
    for (;;) {
      const { done, value } = await next()
      clearTimeout(timer)
      if (done) return
      yield value
    }
  } finally {
    clearTimeout(timer)
    // not awaited: a connection that hangs must not hold the caller up
    reader.cancel().catch(() => {})
  }
}

/**
 * A file's bytes from `offset` on, as the commit has them.
 * @throws AppError `not-found`, `unauthorized`, `hub-unavailable`, the last from the body too
 */
export const openFile = async (
  options: HubOptions,
  { name, commit }: HubRepository,
  file: HubFile,
  offset: number
): Promise<Bytes> => {
  const path = `/${name}/resolve/${commit}/${encodeURIComponent(file.name)}`
  const response = await request(options, path, offset > 0 ? { range: `bytes=${offset}-` } : {})
  if (!response.ok || response.body === null)
    throw refusal(`${name}/${file.name}`, response, options)
  return {
    offset: response.status === 206 ? offset : 0,
    body: piecesOf(response.body, options),
  }
}
