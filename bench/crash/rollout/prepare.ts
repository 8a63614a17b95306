/** A data directory whose internalization waits for approval: each loop begins with a copy of it. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Internalization } from '../../../src/core/internalization/internalization.ts'
import { newestInternalization } from '../../../test/kit/process/internalizations.ts'
import { startProxy } from '../../../test/kit/process/proxy-process.ts'
import type { ReplayUpstream } from '../../../test/kit/upstream/replay-upstream.ts'
import { Traffic } from './traffic.ts'
import { learningSettings } from '../../../test/kit/process/loop-settings.ts'

const ROWS = 120
/** Requests: more than enough rows for training and proof. */
const ENOUGH = 700
const WAIT_MS = 300_000

export interface Prepared {
  folder: string
  internalization: string
  lora: string
  /** numbers below it were sent */
  nextNumber: number
}

export const environment = (
  dataDir: string,
  upstream: ReplayUpstream,
  { promotes, starts }: { promotes: boolean; starts: boolean }
): Record<string, string> => ({
  ...learningSettings({ minSessions: 60, trainRows: ROWS }),
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  ROLLOUT_MIN_HOURS: '0',
  // servers, workers and engines are away again and again, which is said each time
  LOG_LEVEL: 'silent',
  AUTO_PROMOTE: String(promotes),
  AUTO_INTERNALIZE: String(starts),
  ROLLOUT_STAGES: '0.05,0.25,1',
  AUDIT_SHARE: '0.3',
})

const loraOf = ({ plan, verdict }: Internalization): string =>
  plan!.arms[verdict!.arm]!.results.at(-1)!.lora

/** @throws Error when it does not come to an approval */
export const prepare = async (
  root: string,
  upstream: ReplayUpstream,
  cli: string
): Promise<Prepared> => {
  const folder = join(root, 'prepared')
  const startedAt = Date.now()
  const proxy = await startProxy(environment(folder, upstream, { promotes: false, starts: true }), {
    cli,
  })
  const traffic = new Traffic(upstream, 0, 0)
  traffic.to({ baseUrl: proxy.baseUrl, startedAt })
  traffic.start()
  try {
    while (Date.now() - startedAt < WAIT_MS) {
      await delay(500)
      if (traffic.answers.length > ENOUGH) traffic.to(null)
      const row = await newestInternalization(proxy)
      if (row === null || !['approval', 'rejected', 'failed'].includes(row.state.name)) continue
      if (row.state.name !== 'approval') throw new Error(JSON.stringify(row.state))
      const whole = await proxy.admin<Internalization>(`/internalizations/${row.id}`)
      return {
        folder,
        internalization: row.id,
        lora: loraOf(whole),
        nextNumber: traffic.next,
      }
    }
    throw new Error('the internalization does not wait for approval')
  } finally {
    await traffic.stop()
    await proxy.stop()
  }
}
