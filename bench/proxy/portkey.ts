/**
 * Portkey's gateway, the nearest neighbour, as a process of its own. It is no dependency of ours: an
 * exact version is installed for the run.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../test/kit/process/free-port.ts'
import { isListening, type Target } from '../load/processes.ts'
import { REQUEST_HEADERS } from '../load/traffic.ts'

const PACKAGE = '@portkey-ai/gateway'
const VERSION = '1.15.2'
/** With what its own range of versions gives today, every stream is answered 500 on Node 20. */
const OVERRIDES = { '@hono/node-server': '1.13.8' }

/** Into a folder that does not exist yet. */
export const installPortkey = async (folder: string): Promise<void> => {
  mkdirSync(folder)
  const manifest = { private: true, dependencies: { [PACKAGE]: VERSION }, overrides: OVERRIDES }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent']
  await promisify(execFile)('npm', ['install', ...flags], { cwd: folder })
}

/** @throws when it does not start */
export const startPortkey = async (
  folder: string,
  upstreamUrl: string,
  flags: string[]
): Promise<Target> => {
  const entry = join(folder, 'node_modules', PACKAGE, 'build', 'start-server.js')
  const port = await freePort()
  const child = spawn(process.execPath, [entry, `--port=${port}`, ...flags], {
    stdio: 'ignore',
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const exited = once(child, 'exit')
  if (!(await isListening(port, child))) throw new Error(`${PACKAGE} did not start`)
  return {
    port,
    headers: {
      ...REQUEST_HEADERS,
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${upstreamUrl}/v1`,
      // it drops fields that it does not know
      'x-portkey-forward-headers': 'x-bench-answer',
    },
    pids: () => [child.pid!],
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      return ''
    },
  }
}
