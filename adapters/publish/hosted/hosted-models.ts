/**
 * Loras as models of the host: an archive is uploaded, becomes a model, and is deleted with a receipt. What a crash
 * leaves is found again by a file beside the lora, so that nothing is uploaded twice. Knows nothing of answers.
 */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, toAppError } from '../../../src/errors.ts'
import { writeAtomically } from '../../host/disk.ts'
import type { Log } from '../../host/log.ts'
import { ADAPTER_CONFIG, WEIGHTS } from '../../lora/lora-file.ts'
import type { Loras } from '../../lora/loras.ts'
import type { Conditions } from '../conditions.ts'
import { Deletions } from '../deletions.ts'
import type { HostedAddress, HostedClient } from './hosted-client.ts'
import type { Receipts } from '../receipts.ts'
import { zipOf } from './zip.ts'

/** Beside a lora that was published: what the host calls it. */
const PLACEMENT = 'hosted.json'
const FIRST_POLL_MS = 200
const POLL_MS = 5_000
/** Twenty minutes; a host validates a lora in one or two. */
const VALIDATION_POLLS = 240
const DELETION_RETRY_MS = 600_000

interface Placement {
  file: string
  /** null between the upload and the model's creation */
  model: string | null
}

/** As the host lists it. */
interface HostedModel {
  name: string
  status: 'validating' | 'active' | 'error' | 'deleted'
  status_reason?: string | null
}

export interface HostedModelsDeps extends HostedAddress {
  /** name of the base model there */
  model: string
  loras: Loras
  receipts: Receipts
  log: Log
  /** longest pause between two looks at a model that is validated; the default is 5 s */
  pollMs?: number
  /** after which the host is told again what to delete; the default is ten minutes */
  deletionRetryMs?: number
}

type Kind = '/v0/models' | '/v1/files'

/** What a receipt names: an address at the host. */
const pathOf = (kind: Kind, name: string): string =>
  `${kind}/${name.split('/').map(encodeURIComponent).join('/')}`

export class HostedModels {
  private readonly deps: HostedModelsDeps
  private readonly client: HostedClient
  private readonly conditions: Conditions
  private readonly closing = new AbortController()
  private readonly deletions: Deletions

  constructor(deps: HostedModelsDeps, client: HostedClient, conditions: Conditions) {
    this.deps = deps
    this.client = client
    this.conditions = conditions
    const { provider, receipts, log, now, deletionRetryMs = DELETION_RETRY_MS } = deps
    this.deletions = new Deletions({
      provider,
      receipts,
      log,
      now,
      remove: (path) => this.removed(path),
      onPending: (left) => this.reportPending(left),
      firstPauseMs: deletionRetryMs,
      longestPauseMs: deletionRetryMs,
    })
    void this.deletions.tell()
  }

  /** @throws AppError `engine-unavailable` where the host no longer serves the base model */
  async requireBase(): Promise<void> {
    const { provider, model } = this.deps
    const list = (await this.client.call('/v1/models')) as { data?: { id: string }[] } | null
    if (list?.data?.some(({ id }) => id === model)) return this.conditions.end('base-retired')
    const message = `${provider} does not serve ${model}, so requests go to the upstream. The loras are kept: serve them by ENGINE_PUBLISH=vllm, or train on a model that it serves`
    this.conditions.begin('base-retired', message)
    throw new AppError('engine-unavailable', message)
  }

  /**
   * Uploads the lora where the host has no model of it.
   * @param signal ends the wait for its validation
   * @returns the model's name there, which can answer
   * @throws AppError `invalid-model` where the host refuses it, `engine-unavailable`, `store-unavailable`
   */
  async activate(lora: string, signal: AbortSignal): Promise<string> {
    await this.requireBase()
    const kept = await this.placementOf(lora)
    const known = kept?.model ? await this.find(kept.model) : null
    if (known !== null && known.status !== 'deleted')
      return this.validated(lora, known.name, signal)
    const isKept =
      kept !== null && (await this.client.call(pathOf('/v1/files', kept.file))) !== null
    const file = isKept ? kept.file : await this.upload(lora)
    return this.validated(lora, await this.create(lora, file), signal)
  }

  /** Deletes it there. What the host keeps it is told again later. @throws AppError `store-unavailable` */
  async forget(lora: string): Promise<void> {
    const placement = await this.placementOf(lora)
    if (placement === null) return
    const { model, file } = placement
    const models = model === null ? [] : [pathOf('/v0/models', model)]
    const objects = [...models, pathOf('/v1/files', file)]
    await this.deletions.request(objects)
    await rm(join(this.deps.loras.path(lora), PLACEMENT), { force: true })
    await this.deletions.tell(objects)
  }

  async close(): Promise<void> {
    this.closing.abort()
    await this.deletions.close()
  }

  private find(name: string): Promise<HostedModel | null> {
    return this.client.call(pathOf('/v0/models', name)) as Promise<HostedModel | null>
  }

  private async upload(lora: string): Promise<string> {
    const files = await Promise.all(
      [ADAPTER_CONFIG, WEIGHTS].map(
        async (name) => [name, await readFile(join(this.deps.loras.path(lora), name))] as const
      )
    )
    const form = new FormData()
    form.set('file', new Blob([zipOf(files)]), `${lora}.zip`)
    const body = await this.client.call('/v0/models/upload', { method: 'POST', body: form })
    const { id } = (body ?? {}) as { id?: string }
    if (!id) throw new AppError('internal', `${this.deps.provider} gives no id for an upload`)
    await this.place(lora, { file: id, model: null })
    return id
  }

  private async create(lora: string, file: string): Promise<string> {
    const { provider, model } = this.deps
    const body = { name: lora, base_model: model, source: file, description: 'promptintern' }
    const created = await this.client
      .call('/v0/models', { method: 'POST', body })
      .catch((error: unknown) => {
        const { code, message } = toAppError(error)
        if (code !== 'invalid-request') throw error
        throw new AppError('invalid-model', `${lora} cannot be published. ${message}`)
      })
    const { name } = (created ?? {}) as { name?: string }
    if (!name)
      throw new AppError('engine-unavailable', `${provider} has lost the upload of ${lora}`)
    await this.place(lora, { file, model: name })
    return name
  }

  private async validated(lora: string, name: string, signal: AbortSignal): Promise<string> {
    const { provider, pollMs = POLL_MS } = this.deps
    const ends = AbortSignal.any([this.closing.signal, signal])
    for (let poll = 0; poll < VALIDATION_POLLS; poll++) {
      // null: a new model is not in the list at once
      const model = await this.find(name)
      if (model?.status === 'active') return model.name
      if (model?.status === 'error' || model?.status === 'deleted')
        throw new AppError(
          'invalid-model',
          `${provider} refuses ${lora}: ${model.status_reason ?? 'it says no reason'}`
        )
      const pause = Math.min(pollMs, FIRST_POLL_MS * 2 ** poll)
      await delay(pause, undefined, { signal: ends }).catch(() => {
        throw new AppError('engine-unavailable', `${lora} is no longer published`)
      })
    }
    throw new AppError('engine-unavailable', `${provider} does not finish validating ${lora}`)
  }

  private async removed(path: string): Promise<boolean> {
    await this.client.call(path, { method: 'DELETE' })
    const found = (await this.client.call(path)) as { status?: string } | null
    return found === null || found.status === 'deleted'
  }

  private reportPending(left: readonly string[]): void {
    if (left.length === 0) return this.conditions.end('not-deleted')
    const { provider } = this.deps
    const message = `${provider} may still have what it was told to delete (${left.length}, one is ${left[0]}); it is told again every ten minutes. If this lasts, delete it there by hand`
    this.conditions.begin('not-deleted', message)
  }

  /** @returns null for a lora that was never published */
  private async placementOf(lora: string): Promise<Placement | null> {
    const path = join(this.deps.loras.path(lora), PLACEMENT)
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    return text === null ? null : (JSON.parse(text) as Placement)
  }

  private place(lora: string, placement: Placement): Promise<void> {
    const path = join(this.deps.loras.path(lora), PLACEMENT)
    return writeAtomically(path, `${JSON.stringify(placement)}\n`)
  }
}
