/** Signing in with an admin token, and out. */
import { setCookie, deleteCookie } from 'hono/cookie'
import type { Sessions } from '../access/sessions.ts'
import { addressOf } from '../access/token-gate.ts'
import type { AdminDeps } from '../deps.ts'
import type { Assets } from './assets.ts'
import { BASE, type PageApp } from './env.ts'
import { Layout } from './layout.tsx'
import { Notice } from './parts/figures.tsx'
import { formText } from './form-text.ts'
import { isSecure } from './address.ts'

export const COOKIE = 'promptintern-session'
export const SIGN_IN = `${BASE}/sign-in`

const MAX_NAME_CHARS = 40

interface SignInProps {
  assets: Assets
  next: string
  mistake?: string
}

const SignIn = ({ assets, next, mistake }: SignInProps) => (
  <Layout title="Sign in" assets={assets} signedIn={null}>
    <form method="post" action={SIGN_IN} class="sign-in" hx-boost="false">
      {mistake !== undefined && <Notice tone="bad">{mistake}</Notice>}
      <label for="token">Admin token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required />
      <label for="name">Your name, for the history (optional)</label>
      <input id="name" name="name" maxlength={MAX_NAME_CHARS} autocomplete="name" />
      <input type="hidden" name="next" value={next} />
      <button>Sign in</button>
    </form>
    <p>
      The token is the server's <code>ADMIN_TOKEN</code>. If it is not set, a server on a loopback
      address generates one and stores it in <code>secrets.json</code> in its data directory.{' '}
      <code>ADMIN_READ_TOKEN</code> shows the figures alone.
    </p>
  </Layout>
)

/** Only addresses of the page: a foreign one would lead people who just signed in elsewhere. */
const nextOf = (wanted: string): string =>
  /^\/admin(\/[\w./%~-]*)?(\?[^#\\]*)?$/.test(wanted) && !wanted.includes('//') ? wanted : BASE

/** Printable characters: the name is shown, and stands in logs. */
const nameOf = (text: string): string | null => {
  const name = text
    .replace(/[^\p{L}\p{N} .@_-]/gu, '')
    .trim()
    .slice(0, MAX_NAME_CHARS)
  return name === '' ? null : name
}

export const addSignIn = (
  app: PageApp,
  { gate }: Pick<AdminDeps, 'gate'>,
  { sessions, assets }: { sessions: Sessions; assets: Assets }
): void => {
  app.get('/sign-in', (context) =>
    context.html(<SignIn assets={assets} next={nextOf(context.req.query('next') ?? '')} />)
  )

  app.post('/sign-in', async (context) => {
    const form = await context.req.parseBody()
    const next = nextOf(formText(form, 'next'))
    const role = gate.judge(formText(form, 'token').trim(), addressOf(context.env?.incoming))
    if (role === null) {
      const mistake = 'This is not an admin token of this server.'
      return context.html(<SignIn assets={assets} next={next} mistake={mistake} />, 401)
    }
    const { session, cookie } = sessions.begin(role, nameOf(formText(form, 'name')))
    setCookie(context, COOKIE, cookie, {
      path: BASE,
      httpOnly: true,
      sameSite: 'Strict',
      secure: isSecure(context),
      expires: new Date(session.until),
    })
    return context.redirect(next, 303)
  })

  app.post('/sign-out', (context) => {
    sessions.end(context.get('session'))
    deleteCookie(context, COOKIE, { path: BASE })
    return context.redirect(SIGN_IN, 303)
  })
}
