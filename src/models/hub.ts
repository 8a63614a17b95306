/**
 * The part of the Hugging Face hub's API that a download needs: the files of a repository at a commit,
 * and their bytes from an offset on. Knows nothing of disks and models.
 */
import { z } from 'zod'
import { AppError } from '../errors.ts'
import { parseJson } from '../openai/fields.ts'

export interface HubOptions {
  /** without a trailing slash */
  endpoint: string
  /** for private and gated repositories; sent to the endpoint, not to the host of a redirect */
  token: string | null
  fetch: typeof fetch
  /** maximal wait for the headers, and for each next piece of the body */
  timeoutMs: number
}

/** git's blob id, or the sha256 of a large file. */
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
  /** of the files */
  commit: string
  files: HubFile[]
}

const INFO = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().int().min(0),
      // it is part of the name of a file
      blobId: z
        .string()
        .regex(/^[0-9a-f]{40}$/)
        .optional(),
      lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
    })
  ),
})

/** `owner/name` in the characters that the hub allows */
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/

const reasonOf = (error: unknown): string => {
  const { cause, message } = error as { cause?: { code?: string }; message: string }
  return cause?.code ?? message
}

const unreachable = ({ endpoint }: HubOptions, cause: unknown): AppError =>
  new AppError(
    'hub-unavailable',
    `the hub at ${endpoint} cannot be reached (${reasonOf(cause)}); check the network or set HF_ENDPOINT, or copy the model's files by hand and give their path`,
    { cause }
  )

/** @throws AppError `hub-unavailable` when the hub fails or does not answer within `timeoutMs` */
const fromHub = async <T>(options: HubOptions, pending: Promise<T>): Promise<T> => {
  const { timeoutMs } = options
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`silent for ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([pending, silence])
  } catch (error) {
    throw unreachable(options, error)
  } finally {
    clearTimeout(timer)
  }
}

const request = async (
  options: HubOptions,
  path: string,
  headers: Record<string, string> = {}
): Promise<Response> => {
  const { endpoint, token } = options
  const connection = new AbortController()
  const pending = options.fetch(`${endpoint}${path}`, {
    headers: {
      // a compressed body has no ranges
      'accept-encoding': 'identity',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    signal: connection.signal,
  })
  return fromHub(options, pending).catch((error: unknown) => {
    connection.abort()
    throw error
  })
}

/** The error of an answer other than success, with advice. */
const refusal = (what: string, { status }: Response, { token }: HubOptions): AppError => {
  if (status === 401 || status === 403)
    return new AppError(
      'unauthorized',
      token === null
        ? `the hub refuses ${what} (${status}): check the name, or set a token in HF_TOKEN`
        : `the hub refuses ${what} to the token in HF_TOKEN (${status}): check the name, or accept its licence on the hub`
    )
  if (status === 404) return new AppError('not-found', `the hub does not have ${what}`)
  return new AppError('hub-unavailable', `the hub answered ${status} to ${what}: try again later`)
}

/** Repositories have some thousand files at most, each in some 300 bytes. */
const MAX_INFO_BYTES = 16 * 2 ** 20

/** @returns null where the body is not JSON @throws AppError `hub-unavailable` */
const readInfo = async (response: Response, options: HubOptions): Promise<unknown> => {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body === null ? [] : piecesOf(response.body, options)) {
    bytes += piece.length
    if (bytes > MAX_INFO_BYTES)
      throw new AppError(
        'hub-unavailable',
        `${options.endpoint} describes the repository in more than ${MAX_INFO_BYTES} bytes: check HF_ENDPOINT`
      )
    pieces.push(piece)
  }
  return parseJson(Buffer.concat(pieces).toString())
}

type Sibling = z.infer<typeof INFO>['siblings'][number]

/** @returns no file without a checksum */
const fileOf = ({ rfilename: name, size, blobId, lfs }: Sibling): HubFile[] => {
  if (lfs) return [{ name, size, checksum: { algorithm: 'sha256', hex: lfs.sha256 } }]
  if (blobId === undefined) return []
  return [{ name, size, checksum: { algorithm: 'git-sha1', hex: blobId } }]
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
    throw new AppError('invalid-request', `"${repository}" is not a repository: give owner/name`)
  const path = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`
  const response = await request(options, path)
  if (!response.ok) throw refusal(`${repository} at ${revision}`, response, options)
  const info = INFO.safeParse(await readInfo(response, options))
  if (!info.success)
    throw new AppError(
      'hub-unavailable',
      `${options.endpoint} does not answer like a Hugging Face hub: ${z.prettifyError(info.error)}`
    )
  return { name: repository, commit: info.data.sha, files: info.data.siblings.flatMap(fileOf) }
}

export interface Bytes {
  /** of the body's first byte; 0 when the server does not support ranges */
  offset: number
  body: AsyncIterable<Uint8Array>
}

/** The pieces of the body. @throws AppError `hub-unavailable` when the connection breaks or stalls */
async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  options: HubOptions
): AsyncIterable<Uint8Array> {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await fromHub(options, reader.read())
      if (done) return
      yield value
    }
  } finally {
    // not awaited: it would wait for a connection that hangs
    reader.cancel().catch(() => {})
  }
}

/**
 * @returns a file's bytes at the commit, from `offset` on
 * @throws AppError `not-found`, `unauthorized`, `hub-unavailable`, the last also from the body
 */
export const openFile = async (
  options: HubOptions,
  { name, commit }: HubRepository,
  file: HubFile,
  offset: number
): Promise<Bytes> => {
  const path = `/${name}/resolve/${commit}/${file.name.split('/').map(encodeURIComponent).join('/')}`
  const response = await request(options, path, offset > 0 ? { range: `bytes=${offset}-` } : {})
  if (!response.ok || response.body === null)
    throw refusal(`${name}/${file.name}`, response, options)
  return {
    offset: response.status === 206 ? offset : 0,
    body: piecesOf(response.body, options),
  }
}
