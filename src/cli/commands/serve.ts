import { Command } from 'commander'
import { parseConfig } from '../../config/config.ts'
import { bannerText } from '../../server/banner.ts'
import { print } from '../output.ts'
import { startServer } from '../../main.ts'
import { stopSignal } from '../stop-signal.ts'

const serve = async (options: { worker: boolean }): Promise<void> => {
  const config = parseConfig(process.env)
  const server = await startServer(config, { worker: options.worker })
  if (process.stdout.isTTY) print(bannerText(config, server.port))
  // not earlier: an error during the start must end the process
  process.on('uncaughtException', server.onUncaught)
  const signal = stopSignal()
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  await server.close()
}

export const serveCommand = (): Command =>
  new Command('serve')
    .description('run the proxy and the worker')
    .option('--no-worker', 'run only proxy and admin API; run `promptintern worker` separately')
    .action(serve)
