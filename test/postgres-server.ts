/** The folder of the run's PostgreSQL, which the first test that needs one starts (`kit/postgres/postgres.ts`). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { stopServer } from './kit/postgres/postgres-process.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { folder: string; run: number }
  }
}

let folder = ''

export const setup = ({ provide }: TestProject): void => {
  folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  provide('postgres', { folder, run: process.pid })
}

export const teardown = async (): Promise<void> => {
  await stopServer(folder)
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
