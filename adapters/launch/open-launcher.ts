/** The launcher that the environment names. */
import { dirname, resolve } from 'node:path'
import type { Log } from '../host/log.ts'
import { createDstackRuns } from './dstack.ts'
import type { Launcher } from './launcher.ts'
import { createLocalLauncher, type TrainerCommand } from './local-process.ts'
import { createManagedLauncher } from './managed-run.ts'
import type { ManagedRuns } from './managed-runs.ts'
import { createSkyPilotRuns } from './skypilot.ts'

/** What a run on another machine needs; paths as that machine sees them. */
interface OnPlatform {
  /** the operator's file */
  template: string
  /** null: as here */
  dataDir: string | null
  model: string | null
}

export type LaunchOptions =
  | { by: 'local' }
  | (OnPlatform & { by: 'skypilot'; command: string })
  | (OnPlatform & { by: 'dstack'; url: string; token: string; project: string })

export interface LauncherDeps {
  options: LaunchOptions
  /** on this machine; absolute */
  dataDir: string
  modelPath: string
  trainer: TrainerCommand
  env: NodeJS.ProcessEnv
  log: Log
}

const runsOf = (options: Exclude<LaunchOptions, { by: 'local' }>, env: NodeJS.ProcessEnv) => {
  const template = resolve(options.template)
  return options.by === 'skypilot'
    ? createSkyPilotRuns({ command: options.command, template, env })
    : createDstackRuns({ ...options, template, fetch })
}

/** @throws AppError `invalid-config` for a template that cannot be used */
export const openLauncher = (deps: LauncherDeps): Launcher => {
  const { options, dataDir, modelPath, trainer, env, log } = deps
  if (options.by === 'local') return createLocalLauncher(trainer)
  const runs: ManagedRuns = runsOf(options, env)
  return createManagedLauncher({
    runs,
    dataDir,
    seen: [
      [modelPath, options.model ?? modelPath],
      [dataDir, options.dataDir ?? dataDir],
    ],
    trainerFolder: dirname(trainer.script),
    log,
    now: Date.now,
  })
}
