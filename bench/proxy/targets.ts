/** The servers that are compared, each a process of its own before one upstream. */
import { join } from 'node:path'
import { isInstalled, startServer, type Target } from '../proxy-processes.ts'
import { startNginx } from './nginx.ts'
import { log, OURS } from './part.ts'
import { startPortkey } from './portkey.ts'

const urlOf = ({ port }: Target): string => `http://127.0.0.1:${port}`

export const startOurs = (script: string, upstream: Target, dataDir: string): Promise<Target> =>
  startServer(script, OURS, urlOf(upstream), dataDir)

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Ours comes last, next to nginx, because the bar is a ratio to it. */
export const startTargets = async (
  script: string,
  folder: string,
  upstream: Target
): Promise<Map<string, Target>> => {
  const targets = new Map<string, Target>()
  targets.set('hono_fetch', await startServer(script, 'fetch', urlOf(upstream)))
  targets.set('bare', await startServer(script, 'bare', urlOf(upstream)))
  try {
    targets.set('portkey', await startPortkey(join(folder, 'portkey'), urlOf(upstream)))
  } catch (error) {
    log(`SKIPPED portkey, so nothing is compared with it: ${reason(error)}`)
  }
  if (isInstalled('nginx')) targets.set('nginx', await startNginx(folder, upstream.port))
  else log('SKIPPED nginx: not installed, so nothing is compared with it')
  targets.set(OURS, await startOurs(script, upstream, join(folder, 'data')))
  return targets
}
