import { readdirSync, readFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { build } from './harness/build.ts'
import { startServer, type Target } from './proxy-processes.ts'
import { startNginx, startNginxUpstream } from './proxy/nginx.ts'
import { withCpu } from './proxy/cpu.ts'
import { load } from './proxy-load.ts'
import { requestBody } from './proxy-traffic.ts'

import { writeFileSync } from 'node:fs'
const startProfiled = (script: string, ...rest: string[]) => {
  const old = process.execPath
  writeFileSync('/tmp/nodeprof', `#!/bin/sh\nexec ${old} --cpu-prof --cpu-prof-dir=/tmp/prof --cpu-prof-interval=250 "$@"\n`, { mode: 0o755 })
  process.execPath = '/tmp/nodeprof'
  const result = startServer(script, ...(rest as [string]))
  process.execPath = old
  return result
}
const SERVER = 'bench/proxy-server.ts'
const THREAD = 'src/store/sqlite/thread.ts'
const kinds = (process.argv[2] ?? 'nginx,bare,ours').split(',')
const rounds = Number(process.argv[3] ?? 5)
const seconds = Number(process.argv[4] ?? 2)
const perf = process.argv[5]
const folder = mkdtempSync(join(tmpdir(), 'zz-'))
const { pathOf } = build('proxy', [SERVER, THREAD])
const up = await startNginxUpstream(join(folder, 'up'))
const url = `http://127.0.0.1:${up.port}`
const targets = new Map<string, Target>()
for (const kind of kinds) {
  if (kind === 'nginx') targets.set(kind, await startNginx(join(folder, 'nginx'), up.port))
  else targets.set(kind, await (process.env.PROF && kind === 'ours' ? startProfiled : startServer)(kind.length < 4 ? (kind === 'raw' ? '/tmp/raw.mjs' : '/tmp/raw2.mjs') : pathOf(SERVER), kind, url, join(folder, kind)))
}
const threads = (pid: number): Map<string, number> => {
  const sums = new Map<string, number>()
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8')
    const name = readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim()
    const key = tid === String(pid) ? 'main' : `${name}:${tid}`
    sums.set(key, Number(stat.split(' ')[0]) / 1000)
  }
  return sums
}
const body = requestBody({ kilobytes: 8 })
for (const [, target] of targets) for (let i = 0; i < 4; i++) await load({ target, body, concurrency: 64, seconds: 2, folder })
const all = new Map<string, number[]>()
for (let round = 0; round < rounds; round++)
  for (const [name, target] of targets) {
    const pid = target.pids().at(-1)!
    const before = threads(pid)
    if (perf && name === 'ours' && round === 1) spawn('perf', ['record', '-F', '999', '-g', '-p', String(pid), '-o', perf, '--', 'sleep', String(seconds)], { stdio: 'ignore' })
    const { result, cpuMicros } = await withCpu(target, () => load({ target, body, concurrency: 64, seconds, folder }))
    const after = threads(pid)
    const parts = [...after].map(([key, value]) => [key, (value - (before.get(key) ?? 0)) / result.requests] as const).filter(([, v]) => v > 0.7).map(([k, v]) => `${k} ${v.toFixed(1)}`)
    all.set(name, [...(all.get(name) ?? []), cpuMicros / result.requests])
    console.log(name, result.requestsPerSecond.toFixed(0), (cpuMicros / result.requests).toFixed(1), parts.join(', '))
  }
for (const [name, values] of all) { const s = values.toSorted((a, b) => a - b); console.log(name, s.map((v) => v.toFixed(0)).join(' '), 'median', s[s.length >> 1]!.toFixed(1)) }
for (const [, target] of targets) await target.stop()
await up.stop()
