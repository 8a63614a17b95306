import { describe, expect, it } from 'vitest'
import { readGpuOptions } from '../../adapters/gpu/environment.ts'

const GPU = { hasGpu: true, python: '/venv/bin/python' }
const CPU = { hasGpu: false, python: 'python3' }
const MODEL = { ENGINE_MODEL: '/models/tiny' }

describe('environment of the GPU engine', () => {
  it('has defaults of the device', () => {
    const gpu = readGpuOptions(MODEL, GPU)
    expect(gpu.training).toMatchObject({ device: 'cuda', dtype: 'bfloat16', max_tokens: 16_384 })
    // vLLM and training share one GPU
    expect(gpu.vllm).toMatchObject({ memoryShare: 0.45 })
    expect(gpu.training.memory_share).toBeCloseTo(0.5)
    const cpu = readGpuOptions(MODEL, CPU)
    expect(cpu.training).toMatchObject({ device: 'cpu', dtype: 'float32', max_tokens: 4096 })
    expect(cpu.training.memory_share).toBe(1)
  })

  it('starts the vLLM of its Python, the one of a command, or reaches one that runs', () => {
    const commandOf = (env: object) => readGpuOptions({ ...MODEL, ...env }, GPU).vllm
    expect(commandOf({})).toMatchObject({
      command: "'/venv/bin/python' -m vllm.entrypoints.cli.main serve",
    })
    expect(commandOf({ ENGINE_VLLM_COMMAND: 'vllm serve' })).toMatchObject({
      command: 'vllm serve',
    })
    const reached = { ENGINE_VLLM_URL: 'http://gpu:8000', ENGINE_VLLM_KEY: 'secret' }
    expect(commandOf(reached)).toEqual({
      urls: ['http://gpu:8000'],
      apiKey: 'secret',
      loraFolder: null,
    })
    // then training has the whole GPU
    expect(readGpuOptions({ ...MODEL, ...reached }, GPU).training.memory_share).toBe(1)
  })

  it('reaches several vLLMs that find loras in one folder', () => {
    const env = {
      ENGINE_VLLM_URL: 'http://balancer, http://one:8000,http://two:8000',
      ENGINE_LORA_FOLDER: '/mnt/loras',
    }
    expect(readGpuOptions({ ...MODEL, ...env }, GPU).vllm).toMatchObject({
      urls: ['http://balancer', 'http://one:8000', 'http://two:8000'],
      loraFolder: '/mnt/loras',
    })
  })

  it('refuses an address with a password, and does not repeat it', () => {
    const env = { ...MODEL, ENGINE_VLLM_URL: 'http://me:hunter2@gpu:8000' }
    expect(() => readGpuOptions(env, GPU)).toThrow(/^ENGINE_VLLM_URL.*: must have no user/)
    expect(() => readGpuOptions(env, GPU)).not.toThrow(/hunter2/)
  })

  it('trains here, or by a command whose GPU it has alone', () => {
    expect(readGpuOptions(MODEL, CPU).trainCommand).toBeNull()
    const { trainCommand, training } = readGpuOptions(
      { ...MODEL, ENGINE_TRAIN_COMMAND: 'sbatch' },
      CPU
    )
    expect(trainCommand).toBe('sbatch')
    expect(training).toMatchObject({ device: 'cuda', dtype: 'bfloat16', memory_share: 1 })
  })

  it('counts an empty variable as not set', () => {
    expect(readGpuOptions({ ...MODEL, ENGINE_DTYPE: '', ENGINE_THREADS: '' }, CPU)).toEqual(
      readGpuOptions(MODEL, CPU)
    )
  })

  it('reports all mistakes at once, each with its variable', () => {
    const env = { ENGINE_DEVICE: 'tpu', ENGINE_FOUR_BIT: 'maybe', ENGINE_VLLM_MAX_LORA_RANK: '7' }
    expect(() => readGpuOptions(env, CPU)).toThrow(
      /ENGINE_MODEL: must be set.*ENGINE_DEVICE: must be cpu.*ENGINE_FOUR_BIT: must be true.*ENGINE_VLLM_MAX_LORA_RANK: must be one of/
    )
  })

  it.each([
    [{ ENGINE_FOUR_BIT: 'true' }, /on a GPU only: unset it/],
    [{ ENGINE_VLLM_URL: 'gpu:8000' }, /ENGINE_VLLM_URL\S*: must be an http URL/],
    [{ ENGINE_VLLM_URL: 'http://one,two' }, /ENGINE_VLLM_URL\S*: must be an http URL/],
    [{ ENGINE_VLLM_URL: 'http://one,http://two' }, /several addresses.*set ENGINE_LORA_FOLDER/],
    [{ ENGINE_LORA_FOLDER: '/mnt/loras' }, /set ENGINE_VLLM_URL/],
  ])('refuses %o', (env, message) => {
    expect(() => readGpuOptions({ ...MODEL, ...env }, CPU)).toThrow(message)
  })

  it('ends with what stands in the place of settings that are gone', () => {
    const env = { ...MODEL, ENGINE_LAUNCH: 'skypilot', ENGINE_REPLAY_SHARE: '0.1', CHECK_SQL: '1' }
    expect(() => readGpuOptions(env, CPU)).toThrow(
      /^ENGINE_REPLAY_SHARE left in 0\.2: [^;]*; ENGINE_LAUNCH left in 0\.2: ENGINE_TRAIN_COMMAND[^;]*$/
    )
  })
})
