import { Registry } from 'prom-client'
import { describe, expect } from 'vitest'
import type { Route } from '../../src/core/route/route.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import {
  registerRolloutMetrics,
  type RolloutMetricsDeps,
} from '../../src/server/rollout-metrics.ts'
import { exampleRoute } from '../kit/records/examples.ts'
import { it } from '../kit/store/local-store.ts'
import { exampleReport } from '../kit/records/rollout.ts'

const ROUTE: Route = { ...exampleRoute(), trafficShare: 0.05, auditShare: 0.95 }
const AT = Date.UTC(2026, 10, 28, 10)

const open = (store: RolloutMetricsDeps['store'], changes: Partial<RolloutMetricsDeps> = {}) => {
  const faults: string[] = []
  const timers: (() => void)[] = []
  const registry = new Registry()
  registerRolloutMetrics(registry, {
    routes: () => [ROUTE],
    store,
    fault: (kind) => faults.push(kind),
    now: () => AT,
    setTimer: (_ms, work) => {
      timers.push(work)
      return () => {}
    },
    ...changes,
  })
  return { registry, faults, timers }
}

describe('metrics of live routes', () => {
  it('are those of the reports of the worker', async ({ store }) => {
    await saveRolloutReport(store, ROUTE.internalizationId, exampleReport({ dropped: 5 }))
    const text = await open(store).registry.metrics()
    const { evidence, feedback } = exampleReport()
    for (const line of [
      'rollout_share{template="version-1"} 0.05',
      'rollout_pairs{template="version-1",outcome="agreed"} 152',
      'rollout_pairs{template="version-1",outcome="upstream-differs"} 4',
      `rollout_evidence{template="version-1",against="rollback"} ${evidence.rollback}`,
      `rollout_evidence{template="version-1",against="step"} ${evidence.step}`,
      `rollout_evidence{template="version-1",against="drift"} ${evidence.drift}`,
      `rollout_loss{template="version-1",edge="lower"} ${evidence.interval[0]}`,
      'rollout_loss{template="version-1",edge="mean"} 0.025',
      `rollout_loss{template="version-1",edge="upper"} ${evidence.interval[1]}`,
      `rollout_evidence{template="version-1",against="feedback"} ${feedback.rollback}`,
      'rollout_feedback_difference{template="version-1",edge="lower"} -0.041',
      `rollout_feedback_difference{template="version-1",edge="mean"} ${0.08 - 0.041}`,
      'rollout_feedback_conversations{template="version-1",side="audit"} 3811',
      'audits_waiting{template="version-1"} 3',
      'audits_dropped_total{template="version-1"} 5',
      'audit_usd_today 0',
    ])
      expect(text.split('\n')).toContain(`promptintern_${line}`)
  })

  it('know the share alone before the worker has made a report', async ({ store }) => {
    const text = await open(store).registry.metrics()
    expect(text).toContain('promptintern_rollout_share{template="version-1"} 0.05')
    expect(text).not.toContain('promptintern_rollout_pairs{')
  })

  it('end with the route', async ({ store }) => {
    const routes = [ROUTE]
    const { registry } = open(store, { routes: () => routes })
    expect(await registry.metrics()).toContain('template="version-1"')
    routes.pop()
    expect(await registry.metrics()).not.toContain('template="version-1"')
  })

  it('are of a hundred templates at most', async ({ store }) => {
    const routes = Array.from({ length: 150 }, (_, index) => exampleRoute(`version-${index}`))
    const text = await open(store, { routes: () => routes }).registry.metrics()
    expect(text.match(/^promptintern_rollout_share\{/gm)).toHaveLength(100)
  })

  it('are read once for a scrape', async ({ store }) => {
    let reads = 0
    const counting = {
      ...store.snapshots,
      get: (name: string) => {
        reads++
        return store.snapshots.get(name)
      },
    }
    const { registry } = open({ pairs: store.pairs, snapshots: counting })
    await registry.metrics()
    expect(reads).toBe(1)
    await registry.metrics()
    expect(reads).toBe(2)
  })

  it('stand still while the store fails', async ({ store }) => {
    await saveRolloutReport(store, ROUTE.internalizationId, exampleReport())
    let isAway = false
    const failing = {
      ...store.snapshots,
      get: (name: string) =>
        isAway ? Promise.reject(new Error('away')) : store.snapshots.get(name),
    }
    const { registry, faults } = open({ pairs: store.pairs, snapshots: failing })
    const before = await registry.metrics()
    isAway = true
    expect(await registry.metrics()).toBe(before)
    expect(faults).toEqual(['rollout-reports'])
  })

  it('do not wait for a store that does not answer, and do not ask it again meanwhile', async ({
    store,
  }) => {
    let asked = 0
    const answers: ((bytes: Uint8Array | null) => void)[] = []
    const silent = {
      ...store.snapshots,
      get: () => {
        asked++
        return new Promise<Uint8Array | null>((resolve) => void answers.push(resolve))
      },
    }
    const { registry, faults, timers } = open({ pairs: store.pairs, snapshots: silent })
    for (const scrape of [1, 2]) {
      const text = registry.metrics()
      await expect.poll(() => timers.length).toBe(scrape)
      timers.at(-1)!()
      expect(await text).toContain('promptintern_rollout_share')
    }
    expect({ asked, faults }).toEqual({ asked: 1, faults: ['rollout-reports', 'rollout-reports'] })
    const text = registry.metrics()
    answers[0]!(null)
    expect(await text).toContain('promptintern_rollout_share{template="version-1"} 0.05')
  })
})
