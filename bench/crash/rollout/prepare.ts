/**
 * A data directory whose internalization waits for approval: each loop begins with a copy of it. Its border is a
 * narrow one, and pairs of the loop prove the one that the gate has found.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Internalization } from '../../../src/core/internalization/internalization.ts'
import { openLocalStore } from '../../../src/store/sqlite/local.ts'
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
  /** confidence from which on it answers until its border moves */
  threshold: number
  /** numbers below it were sent */
  nextNumber: number
}

export const environment = (
  dataDir: string,
  upstream: ReplayUpstream,
  { promotes, starts }: { promotes: boolean; starts: boolean }
): Record<string, string> => ({
  ...learningSettings({
    minSessions: 60,
    trainRows: ROWS,
    constants: { rolloutMinHours: 0, auditShare: 0.3 },
  }),
  DATA_DIR: dataDir,
  UPSTREAM_BASE_URL: upstream.baseUrl,
  // servers, workers and engines are away again and again, which is said each time
  LOG_LEVEL: 'silent',
  AUTO_PROMOTE: String(promotes),
  AUTO_INTERNALIZE: String(starts),
  ROLLOUT_STAGES: '0.05,0.25,1',
})

const loraOf = ({ plan, verdict }: Internalization): string =>
  plan!.arms[verdict!.arm]!.results.at(-1)!.lora

/** Two in five of the fake lora's answers are as sure as that. */
const NARROW = -0.1

/** Without a baseline, which would be that of the wider border. */
const withNarrowBorder = (row: Internalization): Internalization => {
  const { baseline: _baseline, ...verdict } = row.verdict!
  const winner = verdict.arms[verdict.arm]!
  const changed = { ...winner, threshold: NARROW, wider: [winner.threshold!] }
  return { ...row, verdict: { ...verdict, arms: verdict.arms.with(verdict.arm, changed) } }
}

const narrowBorder = async (dataDir: string, id: string): Promise<void> => {
  const store = await openLocalStore({ dataDir })
  const row = await store.internalizations.get(id)
  await store.internalizations.save(withNarrowBorder(row!), 'admin', Date.now())
  await store.close()
}

const approval = async (root: string, upstream: ReplayUpstream, cli: string): Promise<Prepared> => {
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
      const { next: nextNumber } = traffic
      return { folder, internalization: row.id, lora: loraOf(whole), threshold: NARROW, nextNumber }
    }
    throw new Error('the internalization does not wait for approval')
  } finally {
    await traffic.stop()
    await proxy.stop()
  }
}

/** @throws Error when it does not come to an approval */
export const prepare = async (...given: Parameters<typeof approval>): Promise<Prepared> => {
  const prepared = await approval(...given)
  await narrowBorder(prepared.folder, prepared.internalization)
  return prepared
}
