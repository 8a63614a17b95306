/**
 * Closed lists of five languages: function words, numbers, negation, words that are capitalized and no names. All without
 * case and accents (`fold`). A language is known by its function words alone.
 */
import type { Language } from '../answer/answer-rules.ts'
import { fold } from './atom.ts'

const listed = (words: string): string[] => words.trim().split(/\s+/u)

export interface LanguageWords {
  /** never a name and never content, also where they are capitalized */
  functions: ReadonlySet<string>
  /** two to twelve; one is an article in most languages, and other words with a second meaning are left out */
  numbers: ReadonlyMap<string, string>
  /** finds them; global */
  numberPattern: RegExp
  /** negate what follows, or the clause */
  negators: ReadonlySet<string>
  /** negate by themselves: declined, impossible */
  negatives: ReadonlySet<string>
  /** begin a new clause */
  joints: ReadonlySet<string>
  /** phrases with a negation that negates nothing; global */
  idioms: RegExp
  /** before a name, and no part of it */
  titles: ReadonlySet<string>
  /** often capitalized, and no names: greetings, headings, roles */
  common: ReadonlySet<string>
  /** days from today */
  days: ReadonlyMap<string, number>
}

interface Written {
  functions: string
  /** in order from two on; `-` for one that is left out */
  numbers: string
  negators: string
  negatives: string
  joints: string
  idioms: string
  titles: string
  common: string
  days: string
}

const setOf = (words: string): Set<string> => new Set(listed(words).map(fold))

/** Kinds of things in all languages. */
const ACRONYMS = `ai api cd cpu csv dns dvd gps gpu hr html http https ip it json nfc os pc qr ram sim sla sql ssd ssl tv ui
  vpn wlan xml`

const made = (written: Written): LanguageWords => ({
  functions: setOf(`${written.functions} ${written.joints} ${written.negators}`),
  numbers: new Map(
    listed(written.numbers)
      .map((word, at): [string, string] => [word, String(at + 2)])
      .filter(([word]) => word !== '-')
  ),
  numberPattern: new RegExp(
    `(?<![\\p{L}\\p{M}\\p{N}_-])(?:${listed(written.numbers).join('|')})(?![\\p{L}\\p{M}\\p{N}_'’])`,
    'giu'
  ),
  negators: setOf(written.negators),
  negatives: setOf(written.negatives),
  joints: setOf(written.joints),
  idioms: new RegExp(`(?<![\\p{L}\\p{M}])(?:${written.idioms})(?![\\p{L}\\p{M}])`, 'giu'),
  titles: setOf(written.titles),
  common: setOf(`${written.common} ${ACRONYMS}`),
  days: new Map(
    listed(written.days).map((pair): [string, number] => {
      const [word = '', days] = pair.split('=')
      return [fold(word), Number(days)]
    })
  ),
})

const ENGLISH: Written = {
  functions: `a an the this that these those i you he she it we they me him her us them my your his its our their mine
    yours ours is are was were be been being am do does did done has have had having will would shall should can could
    may might must of to in on at by for with from into onto about over under between through during before after above
    below up down out off again further then here there all any both each few more most other some such only own same
    too very just now also still yet already as than please let what how where why who whom whose within per via upon`,
  numbers: 'two three four five six seven eight nine ten eleven twelve',
  negators: `not no never none nothing nobody neither nor cannot without unable non hardly`,
  negatives: `declined denied rejected refused impossible invalid unavailable ineligible unsuccessful
    unpaid unconfirmed inactive incorrect free`,
  joints: `and but or because if when while which who so however although though since unless whereas`,
  idioms: `(?:not|never) hesitate|feel free|free to|not only|no problem|whether or not|(?:no|not) later than|no (?:more|less|fewer) than|without (?:delay|hesitation)|no\\.(?= ?[#\\d])|no worries|or not`,
  titles: `mr mrs ms miss dr prof professor sir madam`,
  common: `dear hi hello hey thanks thank welcome sorry best kind warm regards sincerely yours greetings good great
    unfortunately currently however therefore additionally finally first second next once yes ok okay sure note important
    important team support service services customer client patient driver technician doctor nurse agent manager order
    orders invoice ticket booking reservation appointment delivery parcel shipment refund payment account number date time
    status room street department office item product plan contract policy case request reference id vat pdf faq sms
    usb url am pm utc cet gmt eur usd gbp chf today tomorrow yesterday morning evening afternoon night total amount
    subject name address email phone code details contact information`,
  days: 'today=0 tomorrow=1 yesterday=-1',
}

const GERMAN: Written = {
  functions: `der die das den dem des ein eine einen einem einer eines dieser diese dieses diesen diesem ich du er sie es wir
    ihr mich dich ihn uns euch ihnen mir dir ihm mein dein sein unser ihre ihren ihrem ihrer ihres unsere unseren unserem
    unserer seine seinen seinem ist sind war waren wird werden wurde wurden worden bin bist sei haben hat hatte hatten habe
    kann konnen konnte konnten muss mussen soll sollen darf durfen mochten mochte von zu im in am an auf aus bei bis durch
    fur gegen mit nach ohne uber um unter vom zum zur vor seit pro je als auch noch nur schon sehr so dann hier da dort
    jetzt bereits bitte alle alles mehr etwas man sich wie wo was wer wann warum zwischen wegen wahrend innerhalb ab`,
  numbers: 'zwei drei vier fünf sechs sieben acht neun zehn elf zwölf',
  negators: `nicht kein keine keinen keinem keiner keines nie niemals nichts niemand nirgends weder ohne keinerlei`,
  negatives: `abgelehnt unmoglich ungultig verweigert abgewiesen zuruckgewiesen ausgeschlossen unbezahlt
    unzulassig kostenlos kostenlose kostenlosen kostenfrei gratis`,
  joints: `und aber oder weil wenn dass sondern jedoch da denn falls obwohl sodass`,
  idioms: `(?:zögern sie|zögere) nicht|nicht nur|kein problem|nicht später als|nicht mehr als|ohne (?:verzögerung|zögern)|(?:scheuen sie )?sich nicht|nicht zuletzt|oder nicht`,
  titles: `herr herrn frau dr prof doktor professor familie`,
  common: `guten tag hallo liebe lieber sehr geehrte geehrter viele beste freundliche freundlichen grusse gruss danke vielen
    dank leider gerne hinweis wichtig ja ok uhr euro prozent montag dienstag mittwoch donnerstag freitag samstag sonntag
    anfang ende mitte januar februar marz april mai juni juli august september oktober november dezember bestellung auftrag
    auftrags termin rechnung kunde kundin kunden kundennummer bestellnummer auftragsnummer nummer nr artikel paket lieferung
    sendung ruckerstattung zahlung betrag konto vertrag tarif zimmer raum strasse adresse telefon mail e link seite datum
    team service support abteilung firma produkt anfrage ticket vorgang fall techniker technikerin arzt arztin fahrer
    patient patientin gast gaste person personen tage tagen tag stunden stunde minuten woche wochen monat monate jahr jahre
    stuck id pin pdf faq sms usb url mwst eur usd chf ziel stadt ort hotel filiale praxis storung wert preis rest
    vormittag nachmittag abend morgen mittag heute kurze ordnung hohe rechnung bezug zukunft anspruch kontakt raten betrieb
    kopie absprache rucksprache echtzeit erhalt ablauf eingang hause abschluss wunsch bedarf angaben grunden versehen kulanz
    sicht fallen form folge teilen summe zusammenarbeit vergangenheit krankheit urlaub`,
  days: 'heute=0 gestern=-1 ubermorgen=2',
}

const FRENCH: Written = {
  functions: `le la les l un une des du de d au aux ce cet cette ces c je j tu il elle on nous vous ils elles me te se s lui
    leur leurs mon ma mes ton ta tes son sa ses notre nos votre vos est sont etait etaient sera seront ete etre suis es a as
    ai ont avait avons avez aura aurons peut peuvent pouvez pouvons doit doivent devez en dans sur sous par pour avec sans
    chez vers entre depuis pendant avant apres jusque jusqu y que qu qui dont ou quoi quand comment pourquoi tres plus moins
    aussi encore deja bien tout tous toute toutes meme si alors ainsi ici la lors des veuillez merci m t`,
  numbers: 'deux trois quatre cinq six sept huit - dix onze douze',
  negators: `ne n pas jamais rien aucun aucune ni sans nullement non`,
  negatives: `refuse refusee refuses refusees rejete rejetee rejetes rejetees impossible invalide indisponible impaye
    impayee inactif inactive incorrect gratuit gratuite gratuits gratuites gratuitement`,
  joints: `et mais ou car parce si puisque donc cependant toutefois lorsque quand`,
  idioms: `n['’]hésitez (?:surtout )?pas|pas seulement|pas de problème|pas plus tard que|sans (?:délai|hésiter|tarder)|n['’]est-ce pas|ou (?:non|pas)`,
  titles: `m mr mme mlle monsieur madame docteur dr pr professeur maitre`,
  common: `bonjour bonsoir salut cher chere cordialement salutations merci malheureusement actuellement oui ok note important
    commande facture billet reservation rendez rdv client cliente patient patiente livraison colis remboursement paiement
    compte contrat numero no date heure chambre rue service equipe support assistance technicien technicienne medecin
    infirmiere chauffeur agent produit article formule offre dossier demande reference id pdf sms usb url eur usd chf tva
    aujourd demain hier matin soir midi total montant objet nom adresse`,
  days: 'hui=0 demain=1 hier=-1',
}

const SPANISH: Written = {
  functions: `el la los las lo un una unos unas de del al a en y e o u que se su sus mi mis tu tus nuestro nuestra nuestros
    nuestras le les me te nos os yo ella ellos ellas usted ustedes ud uds es son era eran sera seran ser sido esta estan
    estaba estar fue fueron ha han hemos habia haber tiene tienen tenemos puede pueden podemos podra debe deben con sin por
    para sobre entre desde hasta durante antes despues tras segun como cuando donde quien cual cuales mas menos muy ya
    tambien aun todo toda todos todas este esta estos estas ese esa esos esas aqui alli asi favor si`,
  numbers: 'dos tres cuatro cinco seis siete ocho nueve diez once doce',
  negators: `no nunca jamas nada nadie ningun ninguno ninguna tampoco ni sin`,
  negatives: `rechazado rechazada rechazados rechazadas denegado denegada denegados denegadas imposible invalido invalida
    indisponible inactivo inactiva incorrecto incorrecta impagado impagada gratis gratuito gratuita gratuitos gratuitas`,
  joints: `y e pero o u porque si sino aunque cuando mientras pues`,
  idioms: `no (?:dude|dudes|duden) en|no solo|no sólo|no hay problema|ningún problema|no más tarde de|sin (?:demora|dudarlo|dudar)|no obstante|o no`,
  titles: `sr sra srta senor senora senorita don dona doctor doctora dr dra profesor profesora`,
  common: `hola estimado estimada querido querida buenos buenas dias tardes noches gracias saludos atentamente lamentablemente
    actualmente si ok nota importante pedido factura billete reserva cita cliente clienta paciente entrega paquete envio
    reembolso pago cuenta contrato numero fecha hora habitacion calle servicio equipo soporte tecnico tecnica medico medica
    conductor agente producto articulo plan tarifa caso solicitud referencia id pdf sms usb url eur usd chf iva hoy ayer
    total importe asunto nombre direccion`,
  days: 'hoy=0 ayer=-1',
}

const ITALIAN: Written = {
  functions: `il lo la i gli le l un uno una di del dello della dei degli delle d a al allo alla ai agli alle da dal dalla dai
    dalle in nel nello nella nei nelle con su sul sulla sui sulle per tra fra e ed o od che chi cui non si se io tu lui lei
    noi voi loro mi ti ci vi mia tuo tua suo sua suoi sue nostro nostra nostri nostre vostro vostra e sono era erano
    sara saranno essere stato stata stati state ha hanno abbiamo avete aveva puo possono possiamo deve devono come quando
    dove quale quali quanto piu meno molto gia anche ancora tutto tutta tutti tutte questo questa questi queste quello
    quella qui cosi poi dopo prima entro verso durante dall all dell nell sull`,
  numbers: 'due tre quattro cinque - sette otto nove dieci undici dodici',
  negators: `non nessun nessuno nessuna mai niente nulla ne senza neanche nemmeno neppure`,
  negatives: `rifiutato rifiutata rifiutati rifiutate respinto respinta respinti respinte negato negata impossibile invalido
    invalida indisponibile inattivo inattiva errato errata gratis gratuito gratuita gratuiti gratuite`,
  joints: `e ed ma o oppure perche se poiche pero quando mentre quindi`,
  idioms: `non (?:esiti|esitate|esitare)(?: a)?|non solo|nessun problema|non più tardi (?:di|del|delle)|senza (?:indugio|esitazione|ritardo)|o no`,
  titles: `sig signor signora signorina dott dottor dottoressa prof professor professoressa`,
  common: `ciao salve buongiorno buonasera gentile egregio cara caro cordiali saluti grazie purtroppo attualmente si ok nota
    importante ordine fattura biglietto prenotazione appuntamento cliente paziente consegna pacco spedizione rimborso
    pagamento conto contratto numero data ora camera via servizio squadra assistenza supporto tecnico tecnica medico autista
    agente prodotto articolo piano tariffa caso richiesta riferimento id pdf sms usb url eur usd chf iva oggi domani ieri
    totale importo oggetto nome indirizzo`,
  days: 'oggi=0 domani=1 ieri=-1',
}

export const LANGUAGES: Readonly<Record<Language, LanguageWords>> = {
  en: made(ENGLISH),
  de: made(GERMAN),
  fr: made(FRENCH),
  es: made(SPANISH),
  it: made(ITALIAN),
}

const NAMES = Object.keys(LANGUAGES) as Language[]

/** Languages without rules here, so that their texts are not taken for one that has some: `no` is "in the" in Portuguese. */
const OTHERS: Readonly<Record<string, string>> = {
  pt: `o os um uma do da dos das no na nos nas ao e que para com em por nao seu sua foi sao esta voce pelo pela mais ou se
    como ate`,
  nl: `de het een en van is in op te dat die voor met zijn niet aan er om uw u wij je ik maar ook bij naar uit kan wordt
    werd heeft was worden geen deze over tot`,
  pl: `i w z na do nie sie jest to ze o jak ale od przez po dla za czy oraz zostalo zostal zostala`,
  sv: `och att det som en ar av for med den till inte har ett var om vi du ni er din ditt kan ska fran pa`,
  da: `og at det som en er af for med den til ikke har et var om vi du din dit kan skal fra pa der de`,
  tr: `ve bir bu icin ile da de cok ne en gibi daha olarak`,
}

/** Each function word with its languages. */
const LANGUAGES_OF = new Map<string, string[]>()
const addWords = (name: string, words: Iterable<string>): void => {
  for (const word of words) LANGUAGES_OF.set(word, [...(LANGUAGES_OF.get(word) ?? []), name])
}
for (const name of NAMES) addWords(name, LANGUAGES[name].functions)
for (const [name, words] of Object.entries(OTHERS)) addWords(name, setOf(words))

/** Words that are read to know a language. */
const MAX_WORDS = 100
/** A capital alone is a mark of something, unless it is cut short: "L'ordine". */
const WORD = /(?<![\p{L}\p{M}])(?:\p{L}[\p{L}\p{M}]+|[\p{Ll}IAÈ]|\p{Lu}(?=['’]))(?![\p{L}\p{M}])/gu
/** Half a word: "not approved" has one, which another language shares. */
const LEAST_SCORE = 0.5
/** How far the first language must be ahead of the second. */
const AHEAD = 1.2

/**
 * By function words, each counted as one over the number of languages that have it.
 * @returns null where no language is ahead, or one without rules is
 */
export const languageOf = (text: string): Language | null => {
  const scores = new Map<string, number>()
  let read = 0
  for (const [word] of text.matchAll(WORD)) {
    if (read++ === MAX_WORDS) break
    const languages = LANGUAGES_OF.get(fold(word)) ?? []
    for (const name of languages) scores.set(name, (scores.get(name) ?? 0) + 1 / languages.length)
  }
  const [first = ['', 0], second = ['', 0]] = [...scores].toSorted((a, b) => b[1] - a[1])
  const isAhead = first[1] >= LEAST_SCORE && first[1] > second[1] * AHEAD
  return isAhead ? (NAMES.find((name) => name === first[0]) ?? null) : null
}
