/** A fake Hugging Face hub on loopback, with one repository and faults on demand. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const COMMIT = 'c'.repeat(40)
/** the hub identifies files from this size on by their sha256, not by git's blob id */
const LARGE_BYTES = 1000
/** between the last bytes and the cut */
const CUT_AFTER_MS = 100

export interface FakeHub {
  endpoint: string
  /** the one that it has */
  repository: string
  /** `name range` of every file asked for */
  requests: string[]
  files: Map<string, Buffer>
  /** stated of every file in place of its own; null: its own */
  checksum: string | null
  /** names of files whose bytes do not have the checksum */
  damaged: Set<string>
  /** bytes after which the connection is cut, an entry per answer; null: not cut */
  cuts: (number | null)[]
  ranges: boolean
  /** the only token that may see the repository */
  token: string | null
  /** accepts requests and does not answer */
  silent: boolean
  close(): Promise<void>
}

const sibling = (name: string, bytes: Buffer, stated: string | null) => ({
  rfilename: name,
  size: bytes.length,
  blobId: stated ?? createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
  ...(bytes.length < LARGE_BYTES
    ? {}
    : {
        lfs: {
          sha256: stated ?? createHash('sha256').update(bytes).digest('hex'),
          size: bytes.length,
        },
      }),
})

const sendFile = (
  hub: FakeHub,
  name: string,
  request: IncomingMessage,
  response: ServerResponse
): void => {
  const range = request.headers.range
  hub.requests.push(`${name}${range === undefined ? '' : ` ${range}`}`)
  const from = hub.ranges && range !== undefined ? Number(/\d+/.exec(range)?.[0]) : 0
  const stored = hub.files.get(name)!
  const bytes = (hub.damaged.has(name) ? stored.map((byte) => byte ^ 1) : stored).subarray(from)
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length })
  const cut = hub.cuts.shift() ?? null
  if (cut === null) return void response.end(bytes)
  // later, because the error drops bytes that the client has not read yet
  response.write(bytes.subarray(0, cut), () => setTimeout(() => response.destroy(), CUT_AFTER_MS))
}

const answer = (hub: FakeHub, request: IncomingMessage, response: ServerResponse): void => {
  const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname)
  if (hub.silent) return
  if (hub.token !== null && request.headers.authorization !== `Bearer ${hub.token}`)
    return void response.writeHead(401).end()
  if (path === `/api/models/${hub.repository}/revision/main`) {
    response.writeHead(200, { 'content-type': 'application/json' })
    const siblings = [...hub.files].map(([name, bytes]) => sibling(name, bytes, hub.checksum))
    return void response.end(JSON.stringify({ sha: COMMIT, siblings }))
  }
  const name = path.replace(`/${hub.repository}/resolve/${COMMIT}/`, '')
  if (!hub.files.has(name)) return void response.writeHead(404).end()
  sendFile(hub, name, request, response)
}

export const startFakeHub = async (
  files: Record<string, Buffer>,
  repository = 'acme/tiny'
): Promise<FakeHub> => {
  const server = createServer((request, response) => answer(hub, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const hub: FakeHub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    repository,
    requests: [],
    files: new Map(Object.entries(files)),
    checksum: null,
    damaged: new Set(),
    cuts: [],
    ranges: true,
    token: null,
    silent: false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
  return hub
}
