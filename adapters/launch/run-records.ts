/**
 * Which managed runs this engine has asked for, a file each. A run is known here before the platform is
 * asked for it, and until it is known to have ended, so that no run is forgotten and none paid twice.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { storageError, writeAtomically } from '../host/disk.ts'
import type { LaunchTask } from './launcher.ts'

export interface RunRecord {
  /** of the job and of what it computes; the run's name is this and the attempt */
  key: string
  /** `task.json`, from the data folder on: the job is over when it is gone */
  file: string
  /** runs of this task so far, this one included */
  attempt: number
  /** ms since the epoch, when the platform was last asked for this attempt; null before */
  submittedAt: number | null
  /** false: it said that it has not got the run, and is asked again; it may have it all the same */
  isSubmitted: boolean
  /** number of the last line of the report that the job was told */
  seen: number
}

/** Within what SkyPilot, dstack and Kubernetes take as a name. */
export const runName = ({ key, attempt }: RunRecord): string => `${key}-${attempt}`

export class RunRecords {
  private readonly dataDir: string

  constructor(dataDir: string) {
    this.dataDir = dataDir
  }

  /** The record of a task, a new one where there is none. */
  async open({ file, identity }: LaunchTask): Promise<RunRecord> {
    const path = relative(this.dataDir, file)
    const hash = createHash('sha256').update(`${path}\n${identity}`).digest('hex')
    const key = `promptintern-${hash.slice(0, 12)}`
    const known = (await this.list()).find((record) => record.key === key)
    return known ?? { key, file: path, attempt: 1, submittedAt: null, isSubmitted: false, seen: 0 }
  }

  /** @throws AppError `store-unavailable` */
  async list(): Promise<RunRecord[]> {
    const read = (await this.names()).map(async (name): Promise<RunRecord[]> => {
      try {
        return [JSON.parse(await readFile(join(this.folder, name), 'utf8')) as RunRecord]
      } catch {
        // removed meanwhile; a record is written whole
        return []
      }
    })
    return (await Promise.all(read)).flat()
  }

  /** @throws AppError `store-unavailable` */
  save(record: RunRecord): Promise<void> {
    return writeAtomically(this.path(record), JSON.stringify(record))
  }

  remove(record: RunRecord): Promise<void> {
    return rm(this.path(record), { force: true })
  }

  private async names(): Promise<string[]> {
    try {
      await mkdir(this.folder, { recursive: true })
      return (await readdir(this.folder)).filter((name) => name.endsWith('.json'))
    } catch (cause) {
      throw storageError(`${this.folder} cannot be used`, cause)
    }
  }

  private get folder(): string {
    return join(this.dataDir, 'runs')
  }

  private path({ key }: RunRecord): string {
    return join(this.folder, `${key}.json`)
  }
}
