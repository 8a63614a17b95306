/**
 * Which loras vLLM may answer by. Each is loaded from its folder under its immutable name, or laid where
 * replicas find it by that name, and proved on its probe at every address before a request may use it,
 * also after vLLM was started anew.
 */
import { AppError, toAppError } from '../../../src/errors.ts'
import type { Log } from '../../host/log.ts'
import type { StoredLora } from '../../lora/lora-file.ts'
import type { Loras } from '../../lora/loras.ts'
import type { BaseModel } from '../../model/open-model.ts'
import type { LoraFolder } from './lora-folder.ts'
import { disproof } from '../probe.ts'
import { VllmClient, type VllmAddress } from './vllm-client.ts'
import type { Answerer } from './vllm-wire.ts'

/** Between two proofs of a lora that replicas do not have, each of which reads it back from their folder. */
export const PROOF_PAUSE_MS = 2000

/** The server, as far as it comes and goes. Requests go to its address. */
export interface VllmServer extends VllmAddress {
  /** get no requests, but a lora is proved there, too, before it is served */
  replicas: VllmAddress[]
  /** counts starts: what was told to an earlier one is forgotten */
  incarnation(): number
  /** @throws AppError `engine-unavailable` */
  requireRunning(): void
  /** @throws AppError `engine-unavailable` when a start takes too long */
  waitRunning(): Promise<void>
  close(): Promise<void>
}

export interface VllmDeps {
  server: VllmServer
  base: BaseModel
  /** in which vLLM computes */
  dtype: 'float32' | 'bfloat16'
  loras: Loras
  /** in which vLLM finds loras; null: each is loaded from where it is stored */
  folder: LoraFolder | null
  log: Log
}

/** What requests for a model are asked by, and what may answer them. */
export interface Proved {
  /** in `model`: of the lora, or of the base model */
  name: string
  /** of the servers that have proved it; null for the base model, which is not proved */
  fingerprints: Set<string> | null
}

interface Loading {
  incarnation: number
  done: Promise<Proved>
  stop: AbortController
}

export class Proofs {
  /** of every address, the one that gets requests first */
  private readonly clients: VllmClient[]
  /** by lora: loads that have ended or are under way, each good for one start of the server */
  private readonly proved = new Map<string, Loading>()

  constructor(private readonly deps: VllmDeps) {
    const { server } = deps
    this.clients = [server, ...server.replicas].map(
      (address) => new VllmClient(address, () => undefined)
    )
  }

  /** The next request proves it again. */
  forget(lora: string): void {
    this.proved.delete(lora)
  }

  /** Forgets a lora, here and there. @throws AppError `store-unavailable` */
  async unload(lora: string): Promise<void> {
    const { folder, loras } = this.deps
    const known = this.proved.get(lora)
    // what is on its way into the folder is there before it is removed
    known?.stop.abort()
    await known?.done.catch(() => undefined)
    this.proved.delete(lora)
    if (folder === null && known === undefined) return
    await folder?.remove(loras.path(lora))
    await this.unloadEverywhere(lora)
  }

  private async unloadEverywhere(lora: string): Promise<void> {
    const { log } = this.deps
    for (const client of this.clients)
      await client.unloadLora(lora).catch((thrown: unknown) => {
        // a server that is gone has forgotten it too
        const error = toAppError(thrown).message
        log('warn', 'a lora was not unloaded', { lora, server: client.name, error })
      })
  }

  /**
   * Refuses an answer of a server that has not proved the lora. Behind a balancer one may have been started
   * again, with another model or another vLLM.
   * @throws AppError `engine-unavailable`; the next request proves the lora again
   */
  require({ name, fingerprints }: Proved, { fingerprint }: Answerer): void {
    if (fingerprint === null || fingerprints === null || fingerprints.has(fingerprint)) return
    this.forget(name)
    throw new AppError(
      'engine-unavailable',
      `${name} was answered by ${fingerprint}, which has not proved it; try again`
    )
  }

  /** What vLLM has for the model, which it can answer by. */
  async of(lora: string | null): Promise<Proved> {
    const { server, base, folder } = this.deps
    server.requireRunning()
    if (lora === null) return { name: base.name, fingerprints: null }
    const incarnation = server.incarnation()
    let known = this.proved.get(lora)
    if (known?.incarnation !== incarnation) {
      const stop = new AbortController()
      const done = this.load(lora, stop.signal)
      known = { incarnation, done, stop }
      this.proved.set(lora, known)
      const forget = (): void => {
        if (this.proved.get(lora)?.done === done) this.proved.delete(lora)
      }
      done.catch(() => (folder === null ? forget() : setTimeout(forget, PROOF_PAUSE_MS).unref()))
    }
    return known.done
  }

  /** @throws AppError as `publish`, `store-unavailable` for the shared folder */
  private async load(lora: string, signal: AbortSignal): Promise<Proved> {
    const { loras, folder } = this.deps
    // a damaged folder is found before vLLM is asked
    const stored = await loras.read(lora)
    if (folder === null) await this.clients[0]!.loadLora(lora, loras.path(lora))
    else await folder.put(loras.path(lora), await this.rootOfBase())
    const fingerprints = new Set<string>()
    for (const client of this.clients) await this.prove(client, stored, fingerprints, signal)
    return { name: lora, fingerprints }
  }

  /**
   * @param fingerprints gets the server's
   * @throws AppError `internal` when the server does not compute what training computed
   */
  private async prove(
    client: VllmClient,
    stored: StoredLora,
    fingerprints: Set<string>,
    signal: AbortSignal
  ): Promise<void> {
    const { loras, base, dtype } = this.deps
    const path = loras.path(stored.id)
    const problem = await disproof(
      { ...stored, name: stored.id },
      path,
      base,
      dtype,
      async (model, prompt, answer) => {
        const { nats, fingerprint } = await client.score(model, prompt, answer, signal)
        if (fingerprint !== null) fingerprints.add(fingerprint)
        return nats
      }
    ).catch((error: unknown) => {
      throw this.failedAt(client, stored.id, toAppError(error))
    })
    if (problem === null) return
    await this.unloadEverywhere(stored.id)
    throw new AppError(
      'internal',
      `vLLM has loaded ${stored.id} at ${client.name}, but ${problem}; not served`
    )
  }

  private failedAt(client: VllmClient, lora: string, cause: AppError): AppError {
    const { folder } = this.deps
    const where =
      folder === null
        ? ''
        : `; ${lora} is in ${folder.path}, which must be the folder of its VLLM_LORA_RESOLVER_CACHE_DIR`
    return new AppError(cause.code, `${client.name}: ${cause.message}${where}`, { cause })
  }

  /**
   * The name that resolvers are given for the base model (`model_config.model` in resolve_lora of vLLM
   * 0.33, vllm/entrypoints/openai/models/serving.py). A lora that has another one is not found.
   */
  private async rootOfBase(): Promise<string> {
    const { base } = this.deps
    const roots = await Promise.all(this.clients.map((client) => client.rootOf(base.name)))
    const [root = base.name, ...others] = new Set(roots.filter((known) => known !== null))
    if (others.length > 0)
      throw new AppError(
        'engine-unavailable',
        `vLLM has its base model in ${[root, ...others].join(' and in ')}, and a lora can name one of them: start all replicas with the same path`
      )
    return root
  }
}
