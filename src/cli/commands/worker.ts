import { Command } from 'commander'
import { createWorker } from '../../worker/worker.ts'
import { asWorker } from '../context.ts'

/** Aborts on SIGTERM, on SIGINT, and when the parent that forked this process exits. */
const stopSignal = (): AbortSignal => {
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.once('disconnect', stop)
  // the channel to the parent must not keep a worker alive that has finished
  process.channel?.unref()
  return controller.signal
}

const work = (): Promise<void> =>
  asWorker(async (deps) => (await createWorker(deps)).run(stopSignal()))

export const workerCommand = (): Command =>
  new Command('worker')
    .description('run only the background work: detect, internalize, evaluate, promote')
    .action(work)
