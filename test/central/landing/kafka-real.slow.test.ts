import { describeRealLanding } from './kafka-real.ts';

describeRealLanding('4.x');
