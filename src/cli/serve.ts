import { Command } from 'commander'
import { parseConfig } from '../config.ts'
import { startServer } from '../main.ts'

const serve = async (options: { worker: boolean }): Promise<void> => {
  const server = await startServer(parseConfig(process.env), { worker: options.worker })
  const stop = (): void => {
    void server.close()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  await server.closed
}

export const serveCommand = (): Command =>
  new Command('serve')
    .description('run the proxy, and the worker beside it')
    .option('--no-worker', 'proxy and admin API only; run `promptintern worker` elsewhere')
    .action(serve)
