import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * folder → what its files may import: our folders, and packages by name. `node:` is allowed at the
 * edges only. The table is docs/architecture.md's import rule.
 */
const RULES: Record<string, { ours: string[]; packages: string[]; node: boolean | string[] }> = {
  'src/errors.ts': { ours: [], packages: [], node: false },
  'src/random.ts': { ours: [], packages: [], node: false },
  'src/time-ordered-id.ts': { ours: [], packages: [], node: ['node:crypto'] },
  'src/bearer-token.ts': { ours: [], packages: [], node: ['node:crypto'] },
  'src/package-folder.ts': {
    ours: ['src/errors.ts'],
    packages: [],
    node: ['node:fs', 'node:path', 'node:url'],
  },
  'src/mask-secrets.ts': { ours: ['src/core/redact.ts'], packages: [], node: false },
  'src/fault-log.ts': { ours: ['src/mask-secrets.ts'], packages: [], node: false },
  'src/supervise.ts': { ours: [], packages: [], node: ['node:child_process', 'node:url'] },
  'src/shell-command.ts': {
    ours: [],
    packages: [],
    node: ['node:child_process', 'node:net', 'node:timers/promises'],
  },
  'src/openai': {
    ours: ['src/errors.ts'],
    packages: ['eventsource-parser', 'zod'],
    // decoding is a pure function
    node: ['node:util', 'node:zlib'],
  },
  'src/core': {
    ours: ['src/openai', 'src/errors.ts', 'src/random.ts'],
    packages: ['minisearch', 'lru-cache', 'ajv', 'ajv-formats', 're2js'],
    // a digest is a pure function
    node: ['node:crypto'],
  },
  'src/engine': {
    ours: ['src/openai', 'src/errors.ts'],
    packages: ['eventsource-parser'],
    node: false,
  },
  'src/store': {
    ours: ['src/core', 'src/openai', 'src/errors.ts', 'src/package-folder.ts'],
    packages: ['drizzle-orm', '@libsql/client', 'lru-cache', 'gpt-tokenizer'],
    node: true,
  },
  'src/proxy': {
    ours: [
      'src/core',
      'src/openai',
      'src/errors.ts',
      'src/bearer-token.ts',
      'src/fault-log.ts',
      'src/engine/engine.ts',
    ],
    packages: ['hono', '@hono/node-server', 'undici', 'lru-cache', 'prom-client'],
    node: true,
  },
  'src/tracing': {
    ours: ['src/core', 'src/openai'],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/core',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace-base',
    ],
    node: false,
  },
  'src/worker': {
    ours: [
      'src/core',
      'src/store/store.ts',
      'src/store/promote.ts',
      'src/store/forget-task.ts',
      'src/store/economics.ts',
      'src/engine',
      'src/openai',
      'src/errors.ts',
      'src/fault-log.ts',
    ],
    packages: [],
    node: true,
  },
  'src/models': { ours: ['src/errors.ts'], packages: ['zod'], node: true },
  'src/admin': {
    ours: [
      'src/core',
      'src/store/store.ts',
      'src/store/promote.ts',
      'src/store/forget.ts',
      'src/store/forget-task.ts',
      'src/store/economics.ts',
      'src/store/savings.ts',
      'src/openai',
      'src/errors.ts',
      'src/bearer-token.ts',
    ],
    packages: ['hono', '@hono/zod-openapi', 'zod', 'prom-client'],
    node: true,
  },
  'src/app.ts': {
    ours: ['src/proxy', 'src/admin', 'src/openai', 'src/errors.ts'],
    packages: ['hono'],
    node: false,
  },
  'src/base-url.ts': { ours: [], packages: ['zod'], node: false },
  'src/upstreams-file.ts': {
    ours: ['src/base-url.ts', 'src/errors.ts', 'src/proxy/upstream-choice.ts'],
    packages: ['zod'],
    node: false,
  },
  'src/config.ts': {
    ours: ['src/base-url.ts', 'src/core', 'src/errors.ts'],
    packages: ['zod'],
    node: false,
  },
  'adapters/contract': {
    ours: [
      'src/openai',
      'src/errors.ts',
      'src/bearer-token.ts',
      'src/fault-log.ts',
      'src/supervise.ts',
    ],
    packages: ['hono', 'zod', '@hono/node-server'],
    node: true,
  },
  'adapters/fake': {
    ours: ['adapters/contract', 'src/openai', 'src/errors.ts', 'src/supervise.ts'],
    packages: ['hono', '@hono/node-server'],
    node: true,
  },
  'adapters/onnx': {
    ours: ['adapters/contract', 'src/openai', 'src/errors.ts', 'src/random.ts', 'src/supervise.ts'],
    packages: [
      'onnxruntime-node',
      'onnx-proto',
      '@huggingface/gguf',
      '@huggingface/jinja',
      '@huggingface/tokenizers',
      'hono',
      '@hono/node-server',
      'lru-cache',
    ],
    node: true,
  },
}

const filesUnder = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))

const ruleFor = (file: string): [string, (typeof RULES)[string]] | undefined =>
  Object.entries(RULES).find(([place]) => file === place || file.startsWith(`${place}/`))

const importsOf = (file: string): string[] =>
  [
    ...readFileSync(join(root, file), 'utf8').matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!)

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

const violation = (file: string, specifier: string): string | null => {
  const found = ruleFor(file)
  if (!found) return null
  const [place, rule] = found
  if (specifier.startsWith('node:')) {
    const allowed = Array.isArray(rule.node) ? rule.node.includes(specifier) : rule.node
    return allowed ? null : `${file} imports ${specifier}`
  }
  if (!specifier.startsWith('.')) {
    return rule.packages.includes(packageName(specifier)) ? null : `${file} imports ${specifier}`
  }
  const target = relative(root, resolve(root, dirname(file), specifier))
  const allowed = [place, ...rule.ours]
  return allowed.some((folder) => target === folder || target.startsWith(`${folder}/`))
    ? null
    : `${file} imports ${target}`
}

const mayImportAdapters = (file: string): boolean =>
  file === 'src/main.ts' || file.startsWith('src/cli')

describe('import rule', () => {
  const files = [...filesUnder('src'), ...filesUnder('adapters')]

  it('is kept by every file', () => {
    expect(files.length).toBeGreaterThan(5)
    const violations = files.flatMap((file) =>
      importsOf(file).flatMap((specifier) => violation(file, specifier) ?? [])
    )
    expect(violations).toEqual([])
  })

  it('sees a forbidden import', () => {
    expect(violation('src/core/x.ts', '../store/store.ts')).toContain('src/store/store.ts')
    expect(violation('src/proxy/x.ts', '../store/store.ts')).not.toBeNull()
    expect(violation('src/core/x.ts', 'node:fs')).not.toBeNull()
    expect(violation('adapters/fake/x.ts', 'onnxruntime-node')).not.toBeNull()
  })

  it('loads spans and tokenizers only where they are needed', () => {
    const eager =
      /^import (?!type\b)[^'"]*['"](?:@opentelemetry\/|gpt-tokenizer|[./]*tracing\/start\.ts|\.\/start\.ts)/m
    const offenders = filesUnder('src').filter(
      (file) =>
        file !== 'src/tracing/start.ts' && eager.test(readFileSync(join(root, file), 'utf8'))
    )
    expect(offenders).toEqual([])
    expect(eager.test("import { startTracing } from './tracing/start.ts'")).toBe(true)
  })

  it('lets only the composition root and the CLI import adapters', () => {
    const offenders = filesUnder('src').filter(
      (file) =>
        !mayImportAdapters(file) && importsOf(file).some((name) => name.includes('adapters/'))
    )
    expect(offenders).toEqual([])
  })
})
