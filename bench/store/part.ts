/** What the parts of the store benchmark have in common. */
import type { DatabaseServer } from '../../src/config/database-url.ts'
import type { Build } from '../../test/kit/process/build.ts'
import type { Figures } from '../../test/kit/report.ts'

export interface Settings {
  /** of the parts `log` and `requests` */
  rounds: number
  /** of one measurement */
  seconds: number
  /** of the part `pages` */
  records: number
  days: number
  /** of each kind, after the first one */
  requests: number
}

export interface PartDatabase {
  url: string
  server: DatabaseServer
}

export interface Bench {
  settings: Settings
  /** for files */
  folder: string
  /** the programs that parts start, built */
  build: Build
  /** a database of the part; empty, unless `--keep` has one of an earlier run */
  databaseFor: (part: string) => Promise<PartDatabase>
}

/** A part saves its figures as they come, so that a failure keeps those before it. */
export type Part = (bench: Bench, add: (figures: Figures) => void) => Promise<void>
