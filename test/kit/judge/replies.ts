/**
 * Replies by rule from records: a seeded grammar of support letters in five languages, each with two wordings. Two
 * replies to one record say the same; replies to two records do not.
 */

interface Order {
  name: string
  number: number
  amount: string
  day: number
  month: number
  isRefunded: boolean
}

/** Words of a reply in one language. */
interface Wording {
  months: string[]
  /** both wordings of each sentence */
  greeting: [string, string]
  order: (order: Order) => [string, string]
  refund: (isRefunded: boolean) => [string, string]
  arrival: (order: Order, month: string) => [string, string]
  thanks: [string, string]
}

const list = (words: string): string[] => words.split(' ')

const NAMES = list('Meier Dubois Garcia Bianchi Olsen Petrov Silva Kowalski Haddad Nguyen')

export const LANGUAGES: Record<string, Wording> = {
  en: {
    months: list('March April June July August'),
    greeting: ['Thank you for your message.', 'Thanks for writing to us.'],
    order: ({ name, number, amount }) => [
      `We have found your order ${number} for Mr ${name}, and the total is ${amount} EUR.`,
      `The order ${number} of Mr ${name} is in our system with a total of ${amount} EUR.`,
    ],
    refund: (isRefunded) =>
      isRefunded
        ? [
            'The amount will be refunded.',
            'You will get this amount back, and it will be refunded.',
          ]
        : ['The amount will not be refunded.', 'We are sorry that it will not be refunded.'],
    arrival: ({ day }, month) => [
      `The parcel arrives on ${day} ${month}.`,
      `Please expect the parcel on ${day} ${month}.`,
    ],
    thanks: ['Please write to us if you have a question.', 'We are there for you.'],
  },
  de: {
    months: list('März April Juni Juli August'),
    greeting: ['Vielen Dank für Ihre Nachricht.', 'Danke, dass Sie uns geschrieben haben.'],
    order: ({ name, number, amount }) => [
      `Wir haben die Bestellung ${number} für Herrn ${name} gefunden, und die Summe ist ${amount} EUR.`,
      `Die Bestellung ${number} von Herrn ${name} ist bei uns, und die Summe sind ${amount} EUR.`,
    ],
    refund: (isRefunded) =>
      isRefunded
        ? ['Der Betrag wird erstattet.', 'Der Betrag wird Ihnen erstattet.']
        : ['Der Betrag wird nicht erstattet.', 'Der Betrag wird Ihnen nicht erstattet.'],
    arrival: ({ day }, month) => [
      `Das Paket kommt am ${day}. ${month} an.`,
      `Bitte erwarten Sie das Paket am ${day}. ${month}.`,
    ],
    thanks: ['Bitte schreiben Sie uns bei einer Frage.', 'Wir sind für Sie da.'],
  },
  fr: {
    months: list('mars avril juin juillet août'),
    greeting: ['Merci pour votre message.', 'Merci de nous avoir contactés.'],
    order: ({ name, number, amount }) => [
      `La commande ${number} pour Monsieur ${name} est dans le système, et le total est de ${amount} EUR.`,
      `Le total de la commande ${number} pour Monsieur ${name} est de ${amount} EUR.`,
    ],
    refund: (isRefunded) =>
      isRefunded
        ? ['La somme sera remboursée.', 'Cette somme vous sera remboursée.']
        : ['La somme ne sera pas remboursée.', 'Cette somme ne sera pas remboursée.'],
    arrival: ({ day }, month) => [
      `Le colis arrive le ${day} ${month}.`,
      `Le colis est attendu le ${day} ${month}.`,
    ],
    thanks: ['Nous restons à votre disposition pour une question.', 'Le service est là pour vous.'],
  },
  es: {
    months: list('marzo abril junio julio agosto'),
    greeting: ['Gracias por su mensaje.', 'Gracias por escribir.'],
    order: ({ name, number, amount }) => [
      `Tenemos el pedido ${number} para el señor ${name}, y el total es de ${amount} EUR.`,
      `El total del pedido ${number} para el señor ${name} es de ${amount} EUR.`,
    ],
    refund: (isRefunded) =>
      isRefunded
        ? ['El importe será devuelto.', 'El importe le será devuelto.']
        : ['El importe no será devuelto.', 'El importe total no será devuelto.'],
    arrival: ({ day }, month) => [
      `El paquete llega el ${day} de ${month}.`,
      `El paquete se espera para el ${day} de ${month}.`,
    ],
    thanks: ['Estamos aquí para una pregunta.', 'Estamos con usted para lo que necesite.'],
  },
  it: {
    months: list('marzo aprile giugno luglio agosto'),
    greeting: ['Grazie per il suo messaggio.', 'Grazie per la sua lettera.'],
    order: ({ name, number, amount }) => [
      `Abbiamo trovato il suo ordine ${number} per il signor ${name}, e il totale è ${amount} EUR.`,
      `Il totale del suo ordine ${number} per il signor ${name} è ${amount} EUR.`,
    ],
    refund: (isRefunded) =>
      isRefunded
        ? ['La somma sarà rimborsata.', 'La somma le sarà rimborsata.']
        : ['La somma non sarà rimborsata.', 'La somma non le sarà rimborsata: non sarà possibile.'],
    arrival: ({ day }, month) => [
      `Il pacco arriva il ${day} ${month}.`,
      `Il pacco è in arrivo per il ${day} ${month}.`,
    ],
    thanks: ['Siamo qui per la sua domanda.', 'Siamo a disposizione per lei.'],
  },
}

export interface Replies {
  language: string
  request: string
  /** two of the upstream, which say the same */
  first: string
  second: string
}

/** @param random uniform in [0, 1) */
export const drawReplies = (language: string, random: () => number): Replies => {
  const below = (count: number): number => Math.floor(random() * count)
  const order: Order = {
    name: NAMES[below(NAMES.length)] ?? '',
    number: 10_000 + below(90_000),
    amount: `${10 + below(900)}.${10 + below(90)}`,
    day: 1 + below(28),
    month: below(5),
    isRefunded: random() < 0.5,
  }
  const words = LANGUAGES[language]
  if (words === undefined) throw new Error(`no language ${language}`)
  const month = words.months[order.month] ?? ''
  const sentences: [string, string][] = [
    words.greeting,
    words.order(order),
    words.refund(order.isRefunded),
    words.arrival(order, month),
    words.thanks,
  ]
  const say = (): string => sentences.map((both) => both[below(2)]).join(' ')
  return { language, request: `Order ${order.number}?`, first: say(), second: say() }
}
