import type { Pools } from '../sample-data/pools.js';
import { dayOf, days, hours, TODAY } from '../sample-data/times.js';
import type { Cell, ServiceSample } from '../sample-data/types.js';

const LOCATIONS = 'external.tenant_locations';
const EVENTS = 'external.local_events';
const DAYS_OF_WEATHER = 90;
const OPENING_HOURS = '{"mon-fri": ["07:00", "20:00"], "sat": ["08:00", "14:30"], "sun": null}';
const FAIRS = [
  'Street market',
  'Football match',
  'Patron saint’s day',
  'Book fair',
  'Half marathon',
  'Concert',
];

const CITIES = [
  ['Madrid', 'ES', '40.416800', '-3.703800', 'Europe/Madrid'],
  ['Barcelona', 'ES', '41.387400', '2.168600', 'Europe/Madrid'],
  ['Valencia', 'ES', '39.469900', '-0.376300', 'Europe/Madrid'],
  ['Sevilla', 'ES', '37.389100', '-5.984500', 'Europe/Madrid'],
  ['Bilbao', 'ES', '43.263000', '-2.935000', 'Europe/Madrid'],
  ['Zaragoza', 'ES', '41.648800', '-0.889100', 'Europe/Madrid'],
  ['Málaga', 'ES', '36.721300', '-4.421400', 'Europe/Madrid'],
  ['Lisboa', 'PT', '38.722300', '-9.139300', 'Europe/Lisbon'],
  ['Porto', 'PT', '41.157900', '-8.629100', 'Europe/Lisbon'],
  ['Toulouse', 'FR', '43.604700', '1.444200', 'Europe/Paris'],
] as const;
const HOLIDAYS = [
  ['2025-12-25', 'Christmas Day'],
  ['2026-01-01', "New Year's Day"],
  ['2026-05-01', 'Labour Day'],
] as const;

function* cities(): Generator<readonly Cell[]> {
  for (const [index, city] of CITIES.entries()) yield [index + 1, ...city];
}

function* weather(pools: Pools): Generator<readonly Cell[]> {
  for (const [index] of CITIES.entries()) {
    for (let day = 0; day < DAYS_OF_WEATHER; day += 1) {
      const low = 4 + ((index * 7 + day * 3) % 14);
      const sky = pools.remarks.length % 2 === day % 2 ? ['clear'] : ['clouds', 'rain'];
      yield [index + 1, dayOf(TODAY - days(day)), low, low + 9, (day % 5) * 1.4, sky];
    }
  }
}

function* holidays(): Generator<readonly Cell[]> {
  for (const [index] of CITIES.entries()) {
    for (const [day, name] of HOLIDAYS) yield [index + 1, day, name];
  }
}

export const external: ServiceSample = {
  service: 'external',
  shared: [
    {
      name: 'external.cities',
      identity: 'id',
      columns: ['id', 'name', 'country_code', 'latitude', 'longitude', 'timezone'],
      rows: cities,
    },
    {
      name: 'external.city_weather',
      columns: ['city_id', 'day', 'temperature_min', 'temperature_max', 'precipitation_mm', 'conditions'],
      rows: weather,
    },
    { name: 'external.city_holidays', columns: ['city_id', 'day', 'name'], rows: holidays },
  ],
  tables: [
    {
      name: LOCATIONS,
      size: { share: 0.2, atMost: 8 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        city_id: (row) => row.int(1, CITIES.length),
        kind: (row) => (row.index === 0 ? 'bakery' : row.pick(['shop', 'shop', 'warehouse'])),
        name: (row) => `${row.tenant.name} ${row.index + 1}`,
        address: (row) => row.pick(row.pools.streets),
        latitude: (row) => row.pick(row.pools.latitudes),
        longitude: (row) => row.pick(row.pools.longitudes),
        opening_hours: () => OPENING_HOURS,
        opened_on: (row) => row.unlessEvery(3, () => dayOf(row.time)),
      },
    },
    {
      name: 'external.weather_data',
      size: { share: 12 },
      columns: {
        tenant_id: (row) => row.tenantId,
        location_id: (row) => row.parentId(LOCATIONS),
        observed_at: (row) => new Date(TODAY - hours(row.sibling(LOCATIONS))),
        temperature: (row) => row.decimal(-2, 38, 1),
        humidity: (row) => row.int(20, 98),
        precipitation_mm: (row) => (row.chance(0.8) ? 0 : row.decimal(0.1, 30, 1)),
        wind_kmh: (row) => row.decimal(0, 70, 2),
        provider: (row) => row.pick(['AEMET', 'IPMA', 'Open-Meteo']),
        raw: (row) => `{"pressure": ${row.int(990, 1_035)}, "uv": ${row.int(0, 10)}}`,
      },
    },
    {
      name: 'external.traffic_data',
      size: { share: 10 },
      columns: {
        tenant_id: (row) => row.tenantId,
        location_id: (row) => row.parentId(LOCATIONS),
        measured_at: (row) => new Date(TODAY - hours(row.sibling(LOCATIONS))),
        vehicles: (row) => row.int(0, 1_800),
        pedestrians: (row) => row.int(0, 900),
        average_speed: (row) => row.unlessEvery(6, () => row.decimal(8, 60, 3)),
        measuring_period: (row) => row.pick(['01:00:00', '00:30:00']),
      },
    },
    {
      name: EVENTS,
      size: { share: 1 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        location_id: (row) => row.unlessEvery(3, () => row.anyOf(LOCATIONS)),
        name: (row) => row.pick(FAIRS),
        impact: (row) => row.pick(['low', 'medium', 'high']),
        takes_place: (row) => {
          const begins = row.future;
          return `[${new Date(begins).toISOString()},${new Date(begins + hours(row.int(2, 30))).toISOString()})`;
        },
        categories: (row) => row.some(['sport', 'culture', 'market', 'religion'], 3),
      },
    },
    {
      name: 'external.event_attendance',
      size: { share: 2 },
      columns: {
        event_id: (row) => row.parentId(EVENTS),
        day: (row) => dayOf(TODAY + days(row.sibling(EVENTS))),
        visitors: (row) => row.int(20, 40_000),
        confidence: (row) => row.decimal(0.2, 1, 2),
        estimated_by: (row) => row.pick(['city council', 'model', 'organiser']),
      },
    },
  ],
};
