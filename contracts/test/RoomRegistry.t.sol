// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {RoomRegistry} from "../src/RoomRegistry.sol";

/// What each call does and refuses, one rule per test; the fuzz tests at the end state rules over all input.
contract RoomRegistryTest is Test {
    RoomRegistry registry;
    address owner = makeAddr("owner");
    address ana = makeAddr("ana");
    address ben = makeAddr("ben");
    address stranger = makeAddr("stranger");
    bytes32 constant SALT = keccak256("chest CT");
    bytes32 room;
    mapping(address => bool) onAPage;

    function setUp() public {
        vm.roll(77);
        registry = new RoomRegistry();
        vm.prank(owner);
        room = registry.createRoom(SALT, list(ana));
    }

    function test_firstBlockIsTheBlockOfDeployment() public {
        vm.roll(100);
        assertEq(registry.firstBlock(), 77);
    }

    function test_createRoomSeatsOwnerAndMembers() public view {
        assertEq(registry.ownerOf(room), owner);
        assertRole(owner, RoomRegistry.Role.Owner);
        assertRole(ana, RoomRegistry.Role.Member);
        assertTrue(registry.isAllowed(room, owner));
        assertTrue(registry.isAllowed(room, ana));
        assertFalse(registry.isAllowed(room, stranger));
        assertEq(registry.memberCount(room), 2);
    }

    function test_createRoomEmitsWhatAReplayNeeds() public {
        bytes32 next = registry.roomId(owner, "next");
        vm.expectEmit();
        emit RoomRegistry.RoomCreated(next, owner);
        vm.expectEmit();
        emit RoomRegistry.MemberAdded(next, owner, owner);
        vm.expectEmit();
        emit RoomRegistry.RoleChanged(next, owner, uint8(RoomRegistry.Role.Owner));
        vm.expectEmit();
        emit RoomRegistry.MemberAdded(next, ben, owner);
        vm.prank(owner);
        registry.createRoom("next", list(ben));
    }

    function test_createRoomCountsDuplicatesAndTheOwnerOnce() public {
        vm.prank(owner);
        bytes32 next = registry.createRoom("next", list(ben, ben, owner));
        assertEq(registry.memberCount(next), 2);
        assertEq(uint8(registry.roleOf(next, owner)), uint8(RoomRegistry.Role.Owner));
    }

    function test_createRoomTwiceIsRefused() public {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.RoomExists.selector, room));
        registry.createRoom(SALT, list(ana));
    }

    function test_roomIdIsTheHashThatBrowsersCompute() public view {
        assertEq(room, keccak256(abi.encode(owner, SALT)));
        assertEq(
            registry.roomId(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, bytes32(uint256(1))),
            0xa3c1274aadd82e4d12c8004c33fb244ca686dad4fcc8957fc5668588c11d9502
        );
    }

    function test_aRoomThatDoesNotExist() public {
        bytes32 none = "none";
        assertFalse(registry.isAllowed(none, owner));
        assertFalse(registry.isAllowed(none, address(0)));
        assertEq(registry.ownerOf(none), address(0));
        assertEq(registry.members(none, 0, 10).length, 0);
        bytes memory refusal = abi.encodeWithSelector(RoomRegistry.NoSuchRoom.selector, none);
        vm.startPrank(owner);
        vm.expectRevert(refusal);
        registry.addMembers(none, list(ana));
        vm.expectRevert(refusal);
        registry.removeMembers(none, list(ana));
        vm.expectRevert(refusal);
        registry.setModerator(none, ana, true);
        vm.expectRevert(refusal);
        registry.leave(none);
        vm.expectRevert(refusal);
        registry.transferOwnership(none, ana);
        vm.expectRevert(refusal);
        registry.acceptOwnership(none);
        vm.expectRevert(refusal);
        registry.archive(none);
    }

    function test_addMembersSkipsWhoIsInAlready() public {
        vm.recordLogs();
        vm.prank(owner);
        registry.addMembers(room, list(ana, ben, ben));
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(registry.memberCount(room), 3);
    }

    function test_addingTheOwnerOrAModeratorKeepsTheirRole() public {
        promote(ana);
        vm.prank(owner);
        registry.addMembers(room, list(owner, ana));
        assertRole(owner, RoomRegistry.Role.Owner);
        assertRole(ana, RoomRegistry.Role.Moderator);
    }

    function test_theZeroAddressIsRefused() public {
        vm.startPrank(owner);
        vm.expectRevert(RoomRegistry.ZeroAddress.selector);
        registry.createRoom("next", list(ana, address(0)));
        vm.expectRevert(RoomRegistry.ZeroAddress.selector);
        registry.addMembers(room, list(address(0)));
        vm.expectRevert(RoomRegistry.ZeroAddress.selector);
        registry.removeMembers(room, list(address(0)));
    }

    function test_membersAndStrangersCannotAddOrRemove() public {
        vm.startPrank(ana);
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.Member));
        registry.addMembers(room, list(ben));
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.Member));
        registry.removeMembers(room, list(owner));
        vm.stopPrank();
        vm.startPrank(stranger);
        vm.expectRevert(notPermitted(stranger, RoomRegistry.Role.None));
        registry.addMembers(room, list(stranger));
        vm.expectRevert(notPermitted(stranger, RoomRegistry.Role.None));
        registry.removeMembers(room, list(ana));
    }

    function test_aModeratorAddsAndRemovesPlainMembersOnly() public {
        promote(ana);
        vm.prank(ana);
        registry.addMembers(room, list(ben, stranger));
        promote(ben);
        vm.startPrank(ana);
        registry.removeMembers(room, list(stranger));
        assertFalse(registry.isAllowed(room, stranger));
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.Moderator));
        registry.removeMembers(room, list(ben));
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.OwnerStays.selector, room, owner));
        registry.removeMembers(room, list(owner));
    }

    function test_removeMembersSkipsWhoIsNotIn() public {
        vm.recordLogs();
        vm.prank(owner);
        registry.removeMembers(room, list(stranger, ana, ana));
        assertEq(vm.getRecordedLogs().length, 1);
        assertFalse(registry.isAllowed(room, ana));
        assertEq(registry.memberCount(room), 1);
    }

    function test_aBatchThatIsRefusedChangesNothing() public {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.OwnerStays.selector, room, owner));
        registry.removeMembers(room, list(ana, owner));
        assertTrue(registry.isAllowed(room, ana));
    }

    function test_aMemberAddedAgainIsAPlainMember() public {
        promote(ana);
        vm.startPrank(owner);
        registry.removeMembers(room, list(ana));
        registry.addMembers(room, list(ana));
        assertRole(ana, RoomRegistry.Role.Member);
    }

    function test_setModeratorIsTheOwnersAndForMembers() public {
        promote(ana);
        vm.prank(ana);
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.Moderator));
        registry.setModerator(room, ana, false);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.NotAMember.selector, room, stranger));
        registry.setModerator(room, stranger, true);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.OwnerStays.selector, room, owner));
        registry.setModerator(room, owner, false);
        registry.setModerator(room, ana, false);
        assertRole(ana, RoomRegistry.Role.Member);
        vm.recordLogs();
        registry.setModerator(room, ana, false);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_leave() public {
        vm.expectEmit();
        emit RoomRegistry.MemberRemoved(room, ana, ana);
        vm.startPrank(ana);
        registry.leave(room);
        assertFalse(registry.isAllowed(room, ana));
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.None));
        registry.leave(room);
        vm.stopPrank();
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.OwnerStays.selector, room, owner));
        registry.leave(room);
    }

    function test_ownershipMovesOnlyWhenAccepted() public {
        vm.expectEmit();
        emit RoomRegistry.OwnershipOffered(room, owner, ana);
        vm.prank(owner);
        registry.transferOwnership(room, ana);
        assertEq(registry.ownerOf(room), owner);
        vm.prank(ana);
        registry.acceptOwnership(room);
        assertEq(registry.ownerOf(room), ana);
        assertRole(ana, RoomRegistry.Role.Owner);
        assertRole(owner, RoomRegistry.Role.Moderator);
        vm.prank(ana);
        vm.expectRevert(nothingOffered(ana));
        registry.acceptOwnership(room);
    }

    function test_onlyTheOwnerOffersAndOnlyToAnotherMember() public {
        vm.prank(ana);
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.Member));
        registry.transferOwnership(room, ana);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.NotAMember.selector, room, stranger));
        registry.transferOwnership(room, stranger);
        vm.expectRevert(abi.encodeWithSelector(RoomRegistry.OwnerStays.selector, room, owner));
        registry.transferOwnership(room, owner);
    }

    function test_anOfferIsWithdrawnReplacedOrVoidOnceItsPersonIsOut() public {
        vm.startPrank(owner);
        registry.transferOwnership(room, ana);
        registry.transferOwnership(room, address(0));
        refuseAccept(ana);
        registry.addMembers(room, list(ben));
        registry.transferOwnership(room, ana);
        registry.transferOwnership(room, ben);
        refuseAccept(ana);
        registry.removeMembers(room, list(ben));
        registry.addMembers(room, list(ben));
        refuseAccept(ben);
        registry.transferOwnership(room, ana);
        vm.stopPrank();
        vm.prank(ana);
        registry.leave(room);
        vm.startPrank(owner);
        refuseAccept(ana);
    }

    function test_anArchivedRoomIsReadAndNeverChanged() public {
        vm.prank(ana);
        vm.expectRevert(notPermitted(ana, RoomRegistry.Role.Member));
        registry.archive(room);
        vm.startPrank(owner);
        registry.transferOwnership(room, ana);
        vm.expectEmit();
        emit RoomRegistry.RoomArchived(room);
        registry.archive(room);
        assertTrue(registry.isArchived(room));
        assertTrue(registry.isAllowed(room, owner));
        assertTrue(registry.isAllowed(room, ana));
        bytes memory refusal = abi.encodeWithSelector(RoomRegistry.RoomIsArchived.selector, room);
        vm.expectRevert(refusal);
        registry.addMembers(room, list(ben));
        vm.expectRevert(refusal);
        registry.removeMembers(room, list(ana));
        vm.expectRevert(refusal);
        registry.setModerator(room, ana, true);
        vm.expectRevert(refusal);
        registry.transferOwnership(room, address(0));
        vm.expectRevert(refusal);
        registry.archive(room);
        vm.stopPrank();
        vm.startPrank(ana);
        vm.expectRevert(refusal);
        registry.acceptOwnership(room);
        vm.expectRevert(refusal);
        registry.leave(room);
    }

    function testFuzz_anIdCannotBeTakenByAnybodyElse(address thief, bytes32 salt, bytes32 guess) public {
        vm.assume(thief != owner && thief != address(0) && salt != SALT);
        bytes32 planned = registry.roomId(owner, salt);
        vm.prank(thief);
        bytes32 taken = registry.createRoom(guess, new address[](0));
        assertNotEq(taken, planned);
        assertEq(registry.ownerOf(planned), address(0));
        assertFalse(registry.isAllowed(planned, thief));
    }

    function testFuzz_roomsDoNotTouchEachOther(address person, bytes32 salt) public {
        vm.assume(person != address(0) && person != owner && person != ana && salt != SALT);
        vm.startPrank(owner);
        bytes32 other = registry.createRoom(salt, list(person));
        assertFalse(registry.isAllowed(room, person));
        registry.removeMembers(room, list(person));
        assertTrue(registry.isAllowed(other, person));
    }

    function testFuzz_pagesGiveTheWholeListOnce(uint8 people, uint256 limit) public {
        limit = bound(limit, 1, 300);
        address[] memory persons = new address[](people);
        for (uint256 i = 0; i < people; i++) {
            // Every fifth twice.
            persons[i] = vm.addr(1000 + i - (i % 5 == 4 ? 1 : 0));
        }
        vm.prank(owner);
        registry.addMembers(room, persons);
        uint256 count = registry.memberCount(room);
        uint256 seen;
        for (uint256 offset = 0; offset < count; offset += limit) {
            address[] memory page = registry.members(room, offset, limit);
            assertLe(page.length, limit);
            for (uint256 i = 0; i < page.length; i++) {
                assertTrue(registry.isAllowed(room, page[i]));
                assertFalse(onAPage[page[i]]);
                onAPage[page[i]] = true;
                seen++;
            }
        }
        assertEq(seen, count);
    }

    function testFuzz_aPageNeverReverts(uint256 offset, uint256 limit) public view {
        assertLe(registry.members(room, offset, limit).length, 2);
    }

    /// A batch that fits into no block changes nothing; where there is gas for it, it is a batch like any other.
    function test_tenThousandAtOnce() public {
        address[] memory persons = new address[](10_000);
        for (uint256 i = 0; i < persons.length; i++) {
            persons[i] = address(uint160(0x10000 + i));
        }
        vm.startPrank(owner);
        (bool done,) =
            address(registry).call{gas: 30_000_000}(abi.encodeCall(registry.addMembers, (room, persons)));
        assertFalse(done);
        assertEq(registry.memberCount(room), 2);
        registry.addMembers(room, persons);
        assertEq(registry.memberCount(room), 10_002);
        assertEq(registry.members(room, 9_000, 1_000).length, 1_000);
        uint256 before = gasleft();
        assertTrue(registry.isAllowed(room, persons[9_999]));
        assertLt(before - gasleft(), 10_000);
        registry.removeMembers(room, persons);
        assertEq(registry.memberCount(room), 2);
    }

    function testFuzz_anyBatchAddsEachPersonOnceAndRemovesThemAll(address[] memory persons) public {
        for (uint256 i = 0; i < persons.length; i++) {
            if (persons[i] == address(0) || persons[i] == owner) persons[i] = ben;
        }
        vm.startPrank(owner);
        registry.addMembers(room, persons);
        uint256 count = registry.memberCount(room);
        registry.addMembers(room, persons);
        assertEq(registry.memberCount(room), count);
        registry.removeMembers(room, persons);
        for (uint256 i = 0; i < persons.length; i++) {
            assertFalse(registry.isAllowed(room, persons[i]));
        }
        assertTrue(registry.isAllowed(room, owner));
    }

    function promote(address person) private {
        vm.prank(owner);
        registry.setModerator(room, person, true);
    }

    /// Leaves the owner as the caller.
    function refuseAccept(address person) private {
        vm.stopPrank();
        vm.prank(person);
        vm.expectRevert(nothingOffered(person));
        registry.acceptOwnership(room);
        vm.startPrank(owner);
    }

    function assertRole(address person, RoomRegistry.Role role) private view {
        assertEq(uint8(registry.roleOf(room, person)), uint8(role));
    }

    function notPermitted(address person, RoomRegistry.Role role) private view returns (bytes memory) {
        return abi.encodeWithSelector(RoomRegistry.NotPermitted.selector, room, person, role);
    }

    function nothingOffered(address person) private view returns (bytes memory) {
        return abi.encodeWithSelector(RoomRegistry.NothingOffered.selector, room, person);
    }

    function list(address a) private pure returns (address[] memory out) {
        out = new address[](1);
        out[0] = a;
    }

    function list(address a, address b) private pure returns (address[] memory out) {
        out = new address[](2);
        (out[0], out[1]) = (a, b);
    }

    function list(address a, address b, address c) private pure returns (address[] memory out) {
        out = new address[](3);
        (out[0], out[1], out[2]) = (a, b, c);
    }
}
