/** The page under `/admin`: who may see it, its frame, and its views. */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { except } from 'hono/combine'
import { compress } from 'hono/compress'
import { getCookie } from 'hono/cookie'
import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import type { MiddlewareHandler } from 'hono'
import { AppError, isFault, requestError } from '../../errors.ts'
import { isRead, mayUse, NO_RIGHT } from '../access/roles.ts'
import { createSessions, type Sessions } from '../access/sessions.ts'
import { takeTurns } from '../access/turns.ts'
import type { AdminDeps, RoleDeps } from '../deps.ts'
import { loadAssets, type Assets } from './assets.ts'
import { BASE, type PageApp, type PageEnv } from './env.ts'
import { formText } from './form-text.ts'
import { Layout } from './layout.tsx'
import { addLive, sharedRevision } from './live.ts'
import { Notice } from './parts/figures.tsx'
import { TOKEN_FIELD } from './parts/form.tsx'
import { visibleText } from './parts/visible-text.ts'
import { addAnswers } from './answers/answers-view.tsx'
import { addForget } from './forget/forget-view.tsx'
import { addInternalization } from './internalization/internalization-view.tsx'
import { addJobs } from './jobs/jobs-view.tsx'
import { addKeys } from './keys/keys-view.tsx'
import { addOverview } from './overview/overview-view.tsx'
import { addPairs } from './pairs/pairs-view.tsx'
import { addRecords } from './records/records-view.tsx'
import { addTemplates } from './templates/templates-view.tsx'
import { addSignIn, COOKIE, SIGN_IN } from './sign-in.tsx'

const MAX_FORM_BYTES = 64 * 1024
const YEAR_SECONDS = 31_536_000

const HEADERS = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'self'"],
    objectSrc: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  referrerPolicy: 'same-origin',
})

/** Without a session: to the sign-in, and from there back to where one was. */
const requireSession =
  (sessions: Sessions): MiddlewareHandler<PageEnv> =>
  async (context, next) => {
    const session = sessions.read(getCookie(context, COOKIE) ?? '')
    if (session === null) {
      const { pathname, search } = new URL(context.req.url)
      const back =
        context.req.method === 'GET' ? `?next=${encodeURIComponent(pathname + search)}` : ''
      return context.redirect(`${SIGN_IN}${back}`, 303)
    }
    if (!mayUse(session.role, context.req.method, context.req.path))
      throw new AppError('forbidden', NO_RIGHT)
    context.set('session', session)
    context.set('formToken', sessions.formToken(session))
    return next()
  }

/** A form must come from a page of this session. */
const requireForm =
  (sessions: Sessions): MiddlewareHandler<PageEnv> =>
  async (context, next) => {
    if (isRead(context.req.method)) return next()
    const session = context.get('session')
    const form = await context.req.parseBody()
    if (!sessions.isFormToken(session, formText(form, TOKEN_FIELD)))
      throw new AppError('forbidden', 'the form belongs to another session: reload the page')
    return next()
  }

const addAssets = (app: PageApp, assets: Assets): void => {
  for (const { path, type, body, compressed } of Object.values(assets))
    app.get(`/${path}`, (context) => {
      const takesGzip = (context.req.header('accept-encoding') ?? '').includes('gzip')
      context.header('content-type', type)
      context.header('cache-control', `public, max-age=${YEAR_SECONDS}, immutable`)
      context.header('vary', 'accept-encoding')
      if (takesGzip) context.header('content-encoding', 'gzip')
      // not copied: an answer that is not read would keep its copy
      return context.body(takesGzip ? compressed : body)
    })
}

/** Of the framework: a form of another site, or one that is too large. */
const refusalOf = ({ status }: HTTPException): AppError =>
  status === 413
    ? new AppError('body-too-large', `a form may have at most ${MAX_FORM_BYTES / 1024} KiB`)
    : new AppError('forbidden', 'the form was sent from another site')

/** The view with the form that was refused; the overview where the browser does not tell. */
const cameFrom = (referrer = ''): string => {
  const address = URL.canParse(referrer) ? new URL(referrer) : null
  return address?.pathname.startsWith(`${BASE}/`) === true
    ? address.pathname + address.search
    : BASE
}

const addErrors = (app: PageApp, assets: Assets, onFault: AdminDeps['onFault']): void => {
  app.onError((thrown, context) => {
    const { incoming } = context.env ?? {}
    const error =
      thrown instanceof HTTPException ? refusalOf(thrown) : requestError(thrown, incoming)
    if (isFault(error)) onFault(thrown)
    const { status, retryAfterSeconds, message } = error
    if (retryAfterSeconds !== null) context.header('retry-after', String(retryAfterSeconds))
    const said = error.code === 'internal' ? 'internal error' : message
    return context.html(
      <Layout title="That did not work" assets={assets} signedIn={null}>
        <Notice tone="bad">{visibleText(said)}</Notice>
        <p>
          <a href={cameFrom(context.req.header('referer'))}>Back</a>
        </p>
      </Layout>,
      status as 500
    )
  })
}

const VIEWS = [
  addOverview,
  addTemplates,
  addInternalization,
  addAnswers,
  addPairs,
  addRecords,
  addJobs,
  addKeys,
  addForget,
]

export const createPageApp = (deps: RoleDeps): PageApp => {
  const assets = loadAssets()
  const sessions = createSessions({ tokens: deps.tokens, now: deps.now, newId: deps.newId })
  const app: PageApp = new Hono()
  addErrors(app, assets, deps.onFault)
  app.use('*', HEADERS, async (context, next) => {
    context.set('assets', assets)
    await next()
  })
  addAssets(app, assets)
  app.use('*', compress(), csrf(), bodyLimit({ maxSize: MAX_FORM_BYTES }))
  app.use('*', async (context, next) => {
    await next()
    context.header('cache-control', 'no-store')
  })
  app.use('*', except(SIGN_IN, requireSession(sessions), requireForm(sessions)))
  addSignIn(app, deps, { sessions, assets })
  const readRevision = sharedRevision(deps)
  addLive(app, deps, { sessions, readRevision })
  app.use('*', async (context, next) => {
    context.set('revision', await readRevision())
    await next()
  })
  app.use(
    '*',
    takeTurns<PageEnv>(deps.readTurns, (context) => context.get('session').role)
  )
  for (const add of VIEWS) add(app, deps)
  // an unknown path under /admin must not reach the proxy, which would send it to the upstream
  app.all('*', ({ req }) => {
    throw new AppError('not-found', `there is no ${req.path}`)
  })
  return app
}
