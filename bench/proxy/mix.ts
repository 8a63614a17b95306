/**
 * Part `mix`: memory under clients that wait, leave before and after the first byte, read slowly and
 * send megabytes. It is flat when its line neither rises nor falls, once it has settled.
 */
import { join } from 'node:path'
import { residentMiB, type Target } from '../load/processes.ts'
import type { ProductStats } from '../load/server.ts'
import { log, type Part } from './part.ts'
import { runMix } from './mix-load.ts'
import { blockMeans, fitLine, isFlat } from './slope.ts'
import { startOurs } from './targets.ts'

const SAMPLE_MS = 1000
/** Of the time that is measured, before it: a process starts with more than it keeps, or with less. */
const SETTLING_SHARE = 1 / 2
/** A quarter of a minute each in ten minutes: a few rounds of the garbage collector. */
const BLOCKS = 40

interface Sample {
  /** minutes */
  x: number
  /** MiB */
  y: number
}

/** Samples until it is stopped. */
const watchMemory = (target: Target): { samples: Sample[]; stop: () => void } => {
  const samples: Sample[] = []
  const start = performance.now()
  const timer = setInterval(() => {
    samples.push({ x: (performance.now() - start) / 60_000, y: residentMiB(target) })
  }, SAMPLE_MS)
  return { samples, stop: () => clearInterval(timer) }
}

export const mix: Part = async ({ settings, script, upstream }, add) => {
  if (settings.mixMinutes === 0) {
    log('SKIPPED mix: --mix-minutes is 0')
    return
  }
  const settlingMinutes = settings.mixMinutes * SETTLING_SHARE
  const minutes = settlingMinutes + settings.mixMinutes
  const ours = await startOurs(script, upstream, join(settings.folder, 'mix'))
  let isRunning = true
  const { samples, stop } = watchMemory(ours)
  try {
    const counts = await runMix(ours, AbortSignal.timeout(minutes * 60_000))
    stop()
    const settled = samples.filter(({ x }) => x >= settlingMinutes)
    const line = fitLine(blockMeans(settled, BLOCKS))
    const { slope, standardError } = line
    const means = blockMeans(samples, minutes * 2).map(({ y }) => Math.round(y))
    log(`mix, MiB every half minute: ${means.join(' ')}`)
    for (const [name, { requests, failed }] of Object.entries(counts)) {
      log(`mix, ${name}: ${requests} requests, ${failed} failed`)
      add({ [`mix_failed_${name}`]: { value: failed, unit: `of ${requests} requests` } })
    }
    add({
      memory_slope: {
        value: slope,
        unit: 'MiB/min',
        min: slope - 2 * standardError,
        max: slope + 2 * standardError,
        runs: settled.length,
        bar: 'within 2 standard errors of 0, or under 0.5',
        holds: isFlat(line),
      },
      memory_first_mib: { value: settled[0]!.y, unit: 'MiB' },
      memory_last_mib: { value: settled.at(-1)!.y, unit: 'MiB' },
      memory_peak_mib: { value: residentMiB(ours, 'peak'), unit: 'MiB' },
    })
    isRunning = false
    const { written, dropped } = JSON.parse(await ours.stop()) as ProductStats
    add({
      mix_log_written: { value: written, unit: 'records' },
      mix_log_dropped: { value: dropped, unit: 'records' },
    })
  } finally {
    stop()
    if (isRunning) await ours.stop()
  }
}
