import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { parseDatabaseUrl } from '../../src/config/database-url.ts'

const PASSWORD = 'correct-horse'

const serverOf = (text: string, caFile: string | null = null) => {
  const parsed = parseDatabaseUrl(text, caFile)
  return 'server' in parsed ? parsed.server : parsed.mistake
}

const mistakeOf = (text: string): string => {
  try {
    parseConfig({ DATABASE_URL: text })
  } catch (error) {
    return (error as Error).message
  }
  return ''
}

describe('the URL of a database', () => {
  it('says who connects to what, and verifies the server unless it is on this machine', () => {
    expect(serverOf('postgres://me:p%40ss%2Fword@db.example:6432/my%20log')).toEqual({
      hosts: [{ host: 'db.example', port: 6432 }],
      database: 'my log',
      user: 'me',
      password: 'p@ss/word',
      tls: 'verify-full',
      caFile: null,
      bindsChannel: false,
    })
    expect(serverOf('postgresql://127.0.0.1/log')).toMatchObject({
      hosts: [{ host: '127.0.0.1', port: 5432 }],
      user: null,
      password: null,
      tls: 'disable',
    })
    expect(serverOf('postgres://[::1]/log')).toMatchObject({
      hosts: [{ host: '::1', port: 5432 }],
      tls: 'disable',
    })
    expect(serverOf('postgres:///log?host=/run/postgresql&user=me')).toMatchObject({
      hosts: [{ host: '/run/postgresql', port: 5432 }],
      user: 'me',
      tls: 'disable',
    })
  })

  it('names several hosts, as libpq does, each with its port', () => {
    const url =
      'postgres://me:a%2Cb@one.example:6432,two.example,[2001:db8::1]:7000/log?sslmode=require'
    expect(serverOf(url)).toMatchObject({
      hosts: [
        { host: 'one.example', port: 6432 },
        { host: 'two.example', port: 5432 },
        { host: '2001:db8::1', port: 7000 },
      ],
      password: 'a,b',
      tls: 'verify-full',
    })
    // plain text is the default only where none of them is elsewhere
    expect(serverOf('postgres://127.0.0.1:1,localhost:2/log')).toMatchObject({ tls: 'disable' })
    expect(serverOf('postgres://127.0.0.1:1,db.example/log')).toMatchObject({ tls: 'verify-full' })
    expect(serverOf('postgres://a,b/log?target_session_attrs=read-write')).toMatchObject({
      hosts: [{ host: 'a' }, { host: 'b' }],
    })
  })

  it.each([
    ['sslmode=disable', 'disable', '/ca'],
    ['sslmode=require', 'verify-full', '/ca'],
    ['sslmode=verify-ca&sslrootcert=/other', 'verify-ca', '/other'],
    ['', 'verify-full', '/ca'],
  ])('with %s has %s', (query, tls, caFile) => {
    expect(serverOf(`postgres://db.example/log?${query}`, '/ca')).toMatchObject({ tls, caFile })
  })

  it.each([
    ['postgres:/me@db/log', 'postgres://user:password@host:5432/database'],
    [`http://me:${PASSWORD}@db/log`, 'postgres://user:password@host:5432/database'],
    [`postgres//me:${PASSWORD}@db/log`, 'postgres://user:password@host:5432/database'],
    [`postgres://me:${PASSWORD}@db:54x2/log`, 'postgres://user:password@host:5432/database'],
    [`postgres://me:${PASSWORD}@db`, 'one database'],
    [`postgres://me:${PASSWORD}@db1,/log`, 'empty or has no valid port'],
    [`postgres://me:${PASSWORD}@db1,,db2/log`, 'empty or has no valid port'],
    [`postgres://me:${PASSWORD}@db1,db2:54x2/log`, 'no valid port'],
    [`postgres://me:${PASSWORD}@db1,db2:70000/log`, 'no valid port'],
    [`postgres://me:${PASSWORD}@db1,db2:5432,db2/log`, 'names a host twice'],
    [`postgres://me:${PASSWORD}@/log`, 'postgres://user:password@host:5432/database'],
    ['postgres:///log', 'with a host'],
    ['postgres:///log?host=db1,db2', 'one host in the parameter host'],
    [`postgres://me:${PASSWORD}@db1,db2/log?target_session_attrs=any`, 'target_session_attrs'],
    [`postgres://me:${PASSWORD}%zz@db/log`, '%25'],
    [`postgres://me:${PASSWORD}@db/log?sslmod=disable`, 'unknown parameter sslmod'],
    [`postgres://me:${PASSWORD}@db/log?sslmode=prefer`, 'plain text'],
    [`postgres://me@db/log#${PASSWORD}`, '%23'],
  ])('with a typo is refused with what is expected, and not repeated: %s', (text, expected) => {
    const mistake = mistakeOf(text)
    expect(mistake).toContain('DATABASE_URL: ')
    expect(mistake).toContain(expected)
    expect(mistake).not.toContain(PASSWORD)
    expect(mistake).not.toContain('db')
  })

  it('is needed with a file of certificates, and with a replica', () => {
    expect(() => parseConfig({ DATABASE_CA_FILE: '/ca' })).toThrow(/DATABASE_CA_FILE: only valid/)
    const replica = 'postgres://reader@standby.example/log'
    expect(() => parseConfig({ DATABASE_REPLICA_URL: replica })).toThrow(
      /DATABASE_REPLICA_URL: only valid/
    )
    const env = { DATABASE_URL: 'postgres://db.example/log', DATABASE_CA_FILE: '/ca' }
    expect(parseConfig(env).database).toMatchObject({ replica: null })
    expect(parseConfig({ ...env, DATABASE_REPLICA_URL: replica }).database).toMatchObject({
      server: { hosts: [{ host: 'db.example' }] },
      replica: { hosts: [{ host: 'standby.example' }], user: 'reader', caFile: '/ca' },
    })
  })
})
