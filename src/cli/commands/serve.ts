import { Command } from 'commander'
import { parseConfig } from '../../config/config.ts'
import { startServer } from '../../main.ts'
import { onParentEnd } from '../../process/supervise.ts'
import { createWorker } from '../../worker/worker.ts'
import { asWorker } from '../context.ts'

/** Aborts on SIGTERM and SIGINT. */
const stopSignal = (): AbortController => {
  const controller = new AbortController()
  process.once('SIGTERM', () => controller.abort())
  process.once('SIGINT', () => controller.abort())
  return controller
}

const serve = async (options: { worker: boolean }): Promise<void> => {
  const server = await startServer(parseConfig(process.env), { worker: options.worker })
  // not earlier: an error during the start must end the process
  process.on('uncaughtException', server.onUncaught)
  const { signal } = stopSignal()
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  await server.close()
}

/** Ends also when the parent that forked this process exits, also while this process starts. */
const work = async (): Promise<void> => {
  const parent = new AbortController()
  const stopListening = onParentEnd(() => parent.abort())
  try {
    await asWorker(async (deps) => {
      const signal = AbortSignal.any([stopSignal().signal, parent.signal])
      await (await createWorker(deps)).run(signal)
    })
  } finally {
    stopListening()
  }
}

export const serveCommand = (): Command =>
  new Command('serve')
    .description('run the proxy and the worker')
    .option('--no-worker', 'run only proxy and admin API; run `promptintern worker` separately')
    .action(serve)

export const workerCommand = (): Command =>
  new Command('worker')
    .description('run only the background work: detect, internalize, evaluate, promote')
    .action(work)
