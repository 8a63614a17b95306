/** The real server, and what can be seen of it from outside: event loop, memory, end. */
import {
  ADMIN_TOKEN,
  processTree,
  residentMiB,
  startProxy,
  type ProxyProcess,
} from '../../test/kit/process/proxy-process.ts'

export interface WatchedServer {
  proxy: ProxyProcess
  port: number
  /** the longest that the event loop was late since the last call, milliseconds */
  blockedMs(): Promise<number>
  /** of the server and its children */
  residentMiB(): number
  /** lines of the log at the level of an error, of other faults than the upstream's */
  errors: string[]
}

const METRIC = /^promptintern_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m
const ERROR_LEVEL = 50

const isError = (line: string): boolean => {
  try {
    const { level, kind } = JSON.parse(line) as { level: number; kind?: string }
    // a broken upstream is what the cases make
    return level >= ERROR_LEVEL && kind !== 'upstream'
  } catch {
    // the logger writes JSON alone: another line is a stack of Node, or a crash
    return line.trim() !== ''
  }
}

export const startWatched = async (
  env: Record<string, string>,
  cli: string
): Promise<WatchedServer> => {
  const errors: string[] = []
  const onLog = (text: string): void => void errors.push(...text.split('\n').filter(isError))
  const proxy = await startProxy(env, { cli, onLog })
  return {
    proxy,
    port: Number(new URL(proxy.baseUrl).port),
    errors,
    residentMiB: () => processTree(proxy.pid).reduce((sum, pid) => sum + residentMiB(pid), 0),
    async blockedMs() {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
      const text = await (await fetch(`${proxy.baseUrl}/metrics`, { headers })).text()
      const found = METRIC.exec(text)
      if (found === null) throw new Error(`the metrics cannot be read: ${text.slice(0, 300)}`)
      return 1000 * Number(found[1])
    },
  }
}
