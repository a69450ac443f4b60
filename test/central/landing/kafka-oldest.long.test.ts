import { describeRealLanding } from './kafka-real.ts';

describeRealLanding('3.x');
