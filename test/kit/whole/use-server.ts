/** The real server before an upstream, for all tests of the file or block that calls this. */
import OpenAI from 'openai'
import { afterAll, beforeAll } from 'vitest'
import { sharedFolder } from '../temporary-folder.ts'
import { startServer } from '../process/built.ts'
import type { ProxyProcess } from '../process/proxy-process.ts'

export interface UsedServer<Upstream> {
  dataDir: string
  upstream: Upstream
  /** its settings */
  env: Record<string, string>
  /** a test may put another one on the same folder in its place */
  proxy: ProxyProcess
  readonly port: number
  /** the official client, with the key `client-key` */
  readonly client: OpenAI
}

/** @param envOf settings beside DATA_DIR @param onLog gets what the server and its children log */
export const useServer = <Upstream extends { close(): unknown }>(
  startUpstream: () => Promise<Upstream>,
  envOf: (upstream: Upstream) => Record<string, string>,
  onLog?: (text: string) => void
): UsedServer<Upstream> => {
  const used = {
    dataDir: sharedFolder(),
    get port() {
      return Number(new URL(this.proxy.baseUrl).port)
    },
    get client() {
      return new OpenAI({
        baseURL: `${this.proxy.baseUrl}/v1`,
        apiKey: 'client-key',
        maxRetries: 0,
      })
    },
  } as UsedServer<Upstream>
  beforeAll(async () => {
    used.upstream = await startUpstream()
    used.env = { DATA_DIR: used.dataDir, ...envOf(used.upstream) }
    used.proxy = await startServer(used.env, onLog)
  })
  afterAll(async () => {
    await used.proxy?.stop()
    await used.upstream?.close()
  })
  return used
}
