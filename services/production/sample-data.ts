import { dayOf, days, hours, minutes, TODAY } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const EQUIPMENT = 'production.equipment';
const SCHEDULES = 'production.production_schedules';
const RUNS = 'production.production_runs';
const STEPS = 'production.run_steps';
const CHECKS = 'production.quality_checks';
const DEFECTS = 'production.quality_defects';
const INGREDIENTS = 'recipes.ingredients';
const RECIPES = 'recipes.recipes';

const SHIFTS = [
  ['night', '22:00:00', '06:00:00'],
  ['early', '05:00:00', '13:00:00'],
  ['late', '12:30:00', '20:30:00'],
] as const;

function shiftOf(index: number): (typeof SHIFTS)[number] {
  return SHIFTS[index % SHIFTS.length] ?? SHIFTS[0];
}

export const production: ServiceSample = {
  service: 'production',
  tables: [
    {
      name: EQUIPMENT,
      size: { share: 0.3, atMost: 40 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => `Machine ${row.index + 1}`,
        kind: (row) => row.pick(['oven', 'mixer', 'proofer', 'sheeter', 'cooler']),
        serialNumber: (row) => `EQ-${row.int(10_000, 99_999)}-${row.index}`,
        capacity_kg: (row) => row.unlessEvery(3, () => row.decimal(10, 400, 1)),
        network_address: (row) => row.unlessEvery(2, () => row.pick(row.pools.ipAddresses)),
        maintenance_every: (row) => row.unlessEvery(3, () => row.pick(['3 mons', '6 mons', '1 year'])),
        purchased_on: (row) => row.unlessEvery(4, () => dayOf(row.time - days(row.int(100, 3_000)))),
        settings: (row) => `{"steam": ${row.chance(0.5)}, "zones": ${row.int(1, 4)}}`,
      },
    },
    {
      name: SCHEDULES,
      size: { share: 1.5 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        day: (row) => dayOf(TODAY - days(Math.floor(row.index / SHIFTS.length))),
        shift: (row) => shiftOf(row.index)[0],
        starts_at: (row) => shiftOf(row.index)[1],
        ends_at: (row) => shiftOf(row.index)[2],
        staff: (row) => [row.userId(), row.userId()],
        notes: (row) => (row.chance(0.2) ? row.pick(row.pools.remarks) : null),
      },
    },
    {
      name: RUNS,
      size: { share: 7 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        schedule_id: (row) => row.unlessEvery(4, () => row.parentId(SCHEDULES)),
        equipment_id: (row) => row.unlessEvery(3, () => row.anyOf(EQUIPMENT)),
        recipe_id: (row) => row.idOf(RECIPES, row.index % row.count(RECIPES)),
        recipe_name: (row) => row.productAt(row.index % row.count(RECIPES)).name,
        batch_number: (row) => `CH-${String(row.index + 1).padStart(6, '0')}`,
        status: (row) => row.pick(['planned', 'running', 'finished', 'finished', 'finished', 'aborted']),
        planned_during: (row) =>
          `[${new Date(row.time).toISOString()},${new Date(row.time + hours(4)).toISOString()})`,
        started_at: (row) => row.unlessEvery(5, () => new Date(row.time + minutes(7))),
        finished_at: (row) => row.unlessEvery(5, () => new Date(row.time + minutes(row.int(30, 300)))),
        planned_quantity: (row) => row.decimal(5, 300, 3),
        produced_quantity: (row) => row.unlessEvery(4, () => row.decimal(1, 300, 3)),
        cost: (row) => row.unlessEvery(3, () => row.decimal(10, 900, 2)),
      },
    },
    {
      name: 'production.run_ingredients',
      size: { share: 18, atMost: (rowsOf) => rowsOf(RUNS) * rowsOf(INGREDIENTS) },
      columns: {
        run_id: (row) => row.parentId(RUNS),
        ingredient_id: (row) =>
          row.idOf(INGREDIENTS, (row.parent(RUNS) + row.sibling(RUNS)) % row.count(INGREDIENTS)),
        ingredient_name: (row) => row.pick(row.pools.ingredients),
        lot_numbers: (row) => [`L${row.int(1_000, 9_999)}`],
        planned_quantity: (row) => row.decimal(0.1, 60, 4),
        used_quantity: (row) => row.unlessEvery(5, () => row.decimal(0.1, 60, 4)),
        unit: (row) => row.pick(['kg', 'g', 'l']),
      },
    },
    {
      name: STEPS,
      size: { share: 16 },
      columns: {
        run_id: (row) => row.parentId(RUNS),
        step_number: (row) => row.sibling(RUNS) + 1,
        instruction: (row) => row.pick(['Mix', 'Knead', 'Rest', 'Shape', 'Prove', 'Bake', 'Cool', 'Pack']),
        done_by: (row) => row.unlessEvery(4, () => row.userId()),
        took_place: (row) =>
          row.unlessEvery(4, () => {
            const from = row.timeOf(RUNS, row.parent(RUNS)) + minutes(20 * row.sibling(RUNS));
            return `[${new Date(from).toISOString()},${new Date(from + minutes(18)).toISOString()})`;
          }),
        remarks: (row) => (row.chance(0.1) ? row.pick(row.pools.remarks) : null),
      },
    },
    {
      name: 'production.step_measurements',
      size: { share: 20 },
      columns: {
        run_id: (row) => row.idOf(RUNS, row.tenant.parentOf(STEPS, row.parent(STEPS), RUNS)),
        step_number: (row) => row.tenant.siblingOf(STEPS, row.parent(STEPS), RUNS) + 1,
        measurement: (row) => row.pick(['temperature', 'humidity', 'weight', 'acidity']),
        value: (row) => row.decimal(0, 250, 10),
        sensor_address: (row) => row.unlessEvery(3, () => row.pick(row.pools.ipAddresses)),
        measured_at: (row) => new Date(row.time),
      },
    },
    {
      name: CHECKS,
      size: { share: 5 },
      columns: {
        id: (row) => row.id,
        run_id: (row) => row.parentId(RUNS),
        result: (row) => row.pick(['passed', 'passed', 'passed', 'passed_with_remarks', 'failed']),
        score: (row) => row.unlessEvery(4, () => row.decimal(0, 10, 1)),
        checklist: (row) =>
          `{"crust": ${row.int(1, 5)}, "crumb": ${row.int(1, 5)}, "weight": ${row.chance(0.9)}}`,
        checked_by: (row) => row.userId(),
        checked_at: (row) => new Date(row.time),
      },
    },
    {
      name: DEFECTS,
      size: { share: 2 },
      columns: {
        id: (row) => row.id,
        check_id: (row) => row.parentId(CHECKS),
        severity: (row) => row.pick(['minor', 'minor', 'major', 'critical']),
        description: (row) => row.pick(row.pools.remarks),
        affected: (row) => row.unlessEvery(3, () => `[${row.int(1, 20)},${row.int(21, 90)})`),
        photo: (row) => row.unlessEvery(2, () => row.bytes(row.int(40, 120))),
      },
    },
    {
      name: 'production.corrective_actions',
      size: { share: 2 },
      columns: {
        defect_id: (row) => row.parentId(DEFECTS),
        position: (row) => row.sibling(DEFECTS) + 1,
        action: (row) => row.pick(['Clean the oven', 'Calibrate the scale', 'Train again', 'Call the mill']),
        assigned_to: (row) => row.unlessEvery(3, () => row.userId()),
        due_on: (row) => row.unlessEvery(4, () => dayOf(row.future)),
        done_at: (row) => row.unlessEvery(2, () => new Date(row.time)),
      },
    },
  ],
};
